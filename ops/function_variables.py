"""The variables of the functions as Lambda and the functions themselves take them. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping

from chalicelib import config as settings
from chalicelib.errors import ConfigError

MAX_BYTES = 4096
"""Of all variables of a function together (Lambda's quotas)."""


def campaigns(variables: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the variable and the ARN of every campaign and recommender that is configured."""
    return [
        (name, arn.strip())
        for name, text in variables.items()
        if name.endswith(("CAMPAIGN_ARN", "CAMPAIGN_ARNS"))
        for arn in text.split(",")
        if arn.strip()
    ]


def size_bytes(variables: Mapping[str, str]) -> int:
    """Return the size by which Lambda judges them: that of the JSON object, which its error shows."""
    return len(json.dumps(dict(variables), ensure_ascii=False, separators=(",", ":")).encode())


def problem(variables: Mapping[str, str]) -> str:
    """Return a sentence that names what the functions or Lambda would refuse. Empty when there is nothing."""
    try:
        settings.check(variables)
    except ConfigError as error:
        return str(error)
    size = size_bytes(variables)
    if size <= MAX_BYTES:
        return ""
    longest = max(variables, key=lambda name: len(variables[name].encode()))
    return (
        f"The variables of a function take {size:,} bytes, and Lambda takes {MAX_BYTES:,}. The longest is "
        f"{longest}: shorten it."
    )
