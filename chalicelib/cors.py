"""Which web pages may call the API, and with which headers: two settings and what follows from them.

No Chalice here. ``cors_spelling`` checks the settings; it is loaded only where there is something to check.
"""

from __future__ import annotations

from dataclasses import dataclass

ANY = "*"
EXPOSED = ("Retry-After", "x-amzn-RequestId")
"""Response headers that a page may read."""


@dataclass(frozen=True)
class AllowedOrigins:
    """The origins of ``ALLOWED_ORIGIN``, in its order."""

    origins: tuple[str, ...]

    @property
    def fixed(self) -> str:
        """The origin in what cannot depend on the request: preflights, the gateway's responses, and 415.

        The browser checks the response itself too, so ``*`` in a preflight lets no page read more.
        """
        return self.origins[0] if len(self.origins) == 1 else ANY

    def headers(self, asked: str | None) -> dict[str, str]:
        """Return the headers of a response to the origin that asked; none where ``fixed`` is right.

        An origin that is not listed gets the name of one that is, and its browser refuses. Without a name,
        Chalice would add ``fixed``. A cache must not give one origin's response to another.
        """
        if len(self.origins) == 1:
            return {}
        named = asked if asked in self.origins else self.origins[0]
        return {"Access-Control-Allow-Origin": named, "Vary": "Origin"}


def parse_origins(text: str) -> AllowedOrigins:
    """Return the origins of a list with commas. Raises ConfigError that names the entry and what to write."""
    if text == ANY:
        return AllowedOrigins((ANY,))
    from chalicelib import cors_spelling  # noqa: PLC0415 - a cold start with the default needs none of it

    return AllowedOrigins(cors_spelling.origins(text))


def parse_headers(text: str) -> tuple[str, ...]:
    """Return the header names of a list with commas; none of an empty text. Raises ConfigError.

    ``*`` alone allows every header: browsers take it from an API that is called without cookies, as this one.
    """
    if text in ("", ANY):
        return (text,) if text else ()
    from chalicelib import cors_spelling  # noqa: PLC0415 - as above

    return cors_spelling.header_names(text)
