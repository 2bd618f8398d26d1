"""Which variant of an experiment a user gets: weighted rendezvous hashing. Pure. See docs/experiments.md.

Each campaign draws a number for the user, which depends on nothing but the experiment, the campaign and the
user. The largest one wins. So a user keeps the variant, and a change of weights moves as few users as it can.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from math import log

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CAMPAIGN = re.compile(r"[A-Za-z0-9_-]{1,63}")
_WEIGHT = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
_HASH_BITS = 53
"""What a float holds exactly."""


@dataclass(frozen=True)
class Experiment:
    """A split of users between campaigns. ``weights`` has each campaign's name and its weight."""

    name: str
    weights: tuple[tuple[str, float], ...]

    @property
    def campaigns(self) -> tuple[str, ...]:
        return tuple(campaign for campaign, _ in self.weights)

    def variant(self, user: str) -> str:
        """Return the name of the campaign that the user gets. ``user`` is an id of a user or a session."""
        return max(self.weights, key=lambda each: self._score(each[0], each[1], user))[0]

    def assignment(self, user: str) -> dict[str, str]:
        """Return what responses and records say of the user: ``{"name", "variant"}``."""
        return {"name": self.name, "variant": self.variant(user)}

    def _score(self, campaign: str, weight: float, user: str) -> float:
        # No name has the separator, so no two experiments or campaigns hash the same text.
        digest = sha256(f"{self.name}:{campaign}:{user}".encode()).digest()
        drawn = int.from_bytes(digest[:8], "big") >> (64 - _HASH_BITS)
        return -weight / log((drawn + 1) / (2**_HASH_BITS + 1))


def parse(text: str) -> Experiment:
    """Return the experiment of ``NAME:CAMPAIGN=WEIGHT,CAMPAIGN=WEIGHT``.

    Raises ValueError with what the variable takes.
    """
    name, colon, listed = text.partition(":")
    pairs = [tuple(part.strip() for part in each.split("=")) for each in listed.split(",")]
    if not (colon and _NAME.fullmatch(name.strip()) and all(_is_variant(pair) for pair in pairs)):
        raise ValueError(
            "NAME:CAMPAIGN=WEIGHT,CAMPAIGN=WEIGHT, such as autumn:shop=90,shop-new=10. Names have letters, "
            "digits, - and _, and weights are numbers such as 90 or 0.5"
        )
    weights = tuple((campaign, float(weight)) for campaign, weight in pairs)
    if len(weights) < 2:
        raise ValueError("two campaigns or more")
    if len({campaign for campaign, _ in weights}) < len(weights):
        raise ValueError("each campaign once")
    if not any(weight for _, weight in weights):
        raise ValueError("a weight above 0")
    return Experiment(name.strip(), weights)


def _is_variant(pair: tuple[str, ...]) -> bool:
    return bool(len(pair) == 2 and _CAMPAIGN.fullmatch(pair[0]) and _WEIGHT.fullmatch(pair[1]))
