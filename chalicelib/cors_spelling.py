"""The spelling of origins and header names, as browsers send them.

A browser compares text with text: an origin in another spelling than its own lets nobody in, and nothing
fails on the server. So what is written in another way is refused, with the right spelling. An origin is
written here as browsers send it (https://fetch.spec.whatwg.org/#origin-header).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence

from chalicelib.errors import ConfigError

ALWAYS_ALLOWED = ("Authorization", "Content-Type", "X-Amz-Date", "X-Amz-Security-Token", "X-Api-Key")
"""Request headers that the preflight allows by itself: Chalice adds all of them."""

_DEFAULT_PORTS = {"http": "80", "https": "443"}
_OF_APPS = (
    *("capacitor", "ionic", "tauri", "app"),
    *("chrome-extension", "moz-extension", "safari-web-extension"),
)
"""Schemes of pages that come with an app or with a browser's extension."""
_THIS_MACHINE = ("localhost", "127.0.0.1")
_PARTS = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<user>[^/?#]*@)?(?P<host>\[[^/?#]*\]|[^/?#:\[\]]*)"
    r"(?P<port>:[0-9]*)?(?P<rest>[/?#].*)?"
)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
# Of RFC 9110 (5.6.2), without the apostrophe: API Gateway has the list between two of them.
_HEADER_NAME = re.compile(r"[!#$%&*+\-.^_`|~0-9A-Za-z]+")


def origins(text: str) -> tuple[str, ...]:
    """Return the origins of a list with commas. Raises ConfigError."""
    entries = _entries("ALLOWED_ORIGIN", text)
    for entry in entries:
        problem = _problem_of_origin(entry)
        if problem:
            raise ConfigError(f"ALLOWED_ORIGIN has the entry {entry!r}: {problem}.")
    _check_unique("ALLOWED_ORIGIN", entries)
    return tuple(entries)


def header_names(text: str) -> tuple[str, ...]:
    """Return the names of a list with commas. Raises ConfigError."""
    entries = _entries("ALLOWED_HEADERS", text)
    for entry in entries:
        problem = _problem_of_header(entry)
        if problem:
            raise ConfigError(f"ALLOWED_HEADERS has the entry {entry!r}: {problem}.")
    _check_unique("ALLOWED_HEADERS", [entry.lower() for entry in entries])
    return tuple(entries)


def _entries(name: str, text: str) -> list[str]:
    entries = [entry.strip() for entry in text.split(",")]
    if "" in entries:
        raise ConfigError(
            f"{name} has an empty entry: write one comma between two entries, and none at an end."
        )
    return entries


def _check_unique(name: str, entries: Sequence[str]) -> None:
    seen: set[str] = set()
    for entry in entries:
        if entry in seen:
            raise ConfigError(f"{name} has the entry {entry!r} twice: write it once.")
        seen.add(entry)


def _problem_of_origin(entry: str) -> str | None:
    """Return what is wrong with an origin, and what to write; None for an origin as browsers send it."""
    if entry == "*":
        return "'*' allows every origin and stands alone. Remove it, or the others"
    if "*" in entry:
        return "an origin has no wildcard. List every origin"
    if entry.lower() == "null":
        return (
            "'null' is what files and sandboxed frames of any page send. Write the origin of your page, such "
            "as https://shop.example"
        )
    if any(character.isspace() or not character.isprintable() for character in entry):
        return "an origin has no blank. Write a comma between two origins"
    found = _PARTS.fullmatch(entry)
    if found is None or (not found["scheme"] and entry.lower().startswith(("http:", "https:"))):
        return "it is no origin. Write one such as https://shop.example or http://localhost:3000"
    return _problem_of_parts(entry, found.groupdict(default=""))


def _problem_of_parts(entry: str, parts: Mapping[str, str]) -> str | None:
    scheme = parts["scheme"].lower() or ("http" if parts["host"].lower() in _THIS_MACHINE else "https")
    if scheme not in (*_DEFAULT_PORTS, *_OF_APPS):
        return "an origin begins with https:// or http://"
    host = _as_browsers_send(parts["host"])
    if host is None:
        return "its host is not valid. Write a host such as shop.example, other letters in punycode (xn--...)"
    port = parts["port"].removeprefix(":").lstrip("0")
    if parts["port"] not in ("", ":") and not 1 <= int(port[:6] or 0) <= 65_535:
        return "its port is not valid. Write a number from 1 to 65535, or none"
    is_default = port == _DEFAULT_PORTS.get(scheme)
    right = f"{scheme}://{host}" + (f":{port}" if port and not is_default else "")
    return None if entry == right else f"write {right}{_difference(parts, is_default)}"


def _difference(parts: Mapping[str, str], port_is_default: bool) -> str:
    """Return the words that say how the right spelling differs from an entry of these parts."""
    rest, host = parts["rest"], parts["host"]
    letters = parts["scheme"] + host
    differences = {
        "with its scheme": not parts["scheme"],
        "without the user": bool(parts["user"]),
        "without the slash": rest == "/",
        "without the path": rest.startswith("/") and rest != "/",
        "without the query": rest.startswith("?"),
        "without the fragment": rest.startswith("#"),
        "without the port, which browsers leave out": port_is_default,
        "without the colon": parts["port"] == ":",
        "without the dot at the end": host.endswith("."),
        "in punycode": not host.isascii(),
        "in lower case": letters.isascii() and letters != letters.lower(),
    }
    words = [word for word, differs in differences.items() if differs]
    return f" {' and '.join(words)}" if words else ""


def _as_browsers_send(host: str) -> str | None:
    """Return a host in the spelling of browsers, or None for one that is not valid."""
    try:
        if host.startswith("[") and "%" not in host:
            return f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]"
        name = host.removesuffix(".").lower()
        if not name.isascii():
            # Python's codec and browsers differ in these.
            name = "" if set(name) & set("ßς\u200c\u200d") else name.encode("idna").decode("ascii")
        labels = name.split(".")
        if _NUMBER.fullmatch(labels[-1]):
            return str(ipaddress.IPv4Address(name))
    except ValueError:
        return None
    return name if len(name) <= 253 and all(map(_LABEL.fullmatch, labels)) else None


def _problem_of_header(entry: str) -> str | None:
    if "*" in entry:
        return (
            "'*' alone allows every header, and browsers know no pattern. List every header, such as "
            "traceparent"
        )
    if not _HEADER_NAME.fullmatch(entry):
        return "it is no name of a header. Write names such as traceparent, with a comma between two"
    if entry.lower() in map(str.lower, ALWAYS_ALLOWED):
        return "it is always allowed. Remove it"
    return None
