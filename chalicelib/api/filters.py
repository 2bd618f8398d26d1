"""Filters of a request as arguments of Personalize: names and values in the form that it takes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.contract import to_json
from chalicelib.errors import InvalidRequestError

MAX_VALUE_CHARACTERS = 1000
"""Of a value as Personalize gets it (API_RS_GetRecommendations)."""


def to_arguments(request: Mapping[str, Any], campaign_arn: str, path: str = "") -> dict[str, Any]:
    """Return ``filterArn`` and ``filterValues`` for the fields ``filter`` and ``filterValues``.

    ``path`` stands before the names of fields in errors. Raises InvalidRequestError.
    """
    if "filter" not in request:
        if "filterValues" in request:
            raise InvalidRequestError.of(f"{path}filter", f"is required with {path}filterValues.")
        return {}
    arguments: dict[str, Any] = {"filterArn": _arn(request["filter"], campaign_arn, f"{path}filter")}
    if request.get("filterValues"):
        arguments["filterValues"] = {
            name: _value(value, f"{path}filterValues.{name}")
            for name, value in request["filterValues"].items()
        }
    return arguments


def _arn(name: str, campaign_arn: str, field: str) -> str:
    """Return the ARN of a filter, which is of the campaign's region and account."""
    own = f"{campaign_arn.rpartition(':')[0]}:filter/"
    if not name.startswith("arn:"):
        return own + name
    if not name.startswith(own):
        raise InvalidRequestError.of(
            field, "must be a name, or an ARN of the campaign's own account and region."
        )
    return name


def _value(value: Any, field: str) -> str:
    """Return a value as Personalize takes it: values of a list have commas between them, text has quotes."""
    if isinstance(value, list):
        text = ",".join(f'"{each}"' if isinstance(each, str) else to_json(each) for each in value)
    else:
        text = value if isinstance(value, str) else to_json(value)
    if len(text) > MAX_VALUE_CHARACTERS:
        raise InvalidRequestError.of(
            field, f"has {len(text)} characters with quotes and commas; it takes {MAX_VALUE_CHARACTERS}."
        )
    return text
