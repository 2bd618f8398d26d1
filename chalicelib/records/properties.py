"""The properties of an event or an action interaction: JSON as text, of a limited length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib import contract
from chalicelib.errors import InvalidRequestError

MAX_PROPERTIES_CHARACTERS = 1024
"""Of the properties as JSON (API_UBS_Event, API_UBS_ActionInteraction)."""


def to_properties(fields: Mapping[str, Any], member: str, which: str) -> dict[str, str]:
    """Return the argument ``properties``, or nothing without fields. InvalidRequestError for too long ones.

    ``member`` is the member of the request that has the fields. ``which`` says which of its keys they are.
    """
    if not fields:
        return {}
    properties = contract.to_json(fields)
    if len(properties) > MAX_PROPERTIES_CHARACTERS:
        raise InvalidRequestError(
            f"{member} has {len(properties)} characters of properties ({which}, as JSON); Personalize takes "
            f"{MAX_PROPERTIES_CHARACTERS}. Send fewer or shorter ones.",
            field=member,
        )
    return {"properties": properties}
