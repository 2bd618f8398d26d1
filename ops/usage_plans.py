"""What API Gateway says about API keys and their usage plans. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def plans_with(gateway: Any, key: str) -> list[Mapping[str, Any]]:
    """Return the usage plans that have a key."""
    pages = gateway.get_paginator("get_usage_plans").paginate()
    plans = (plan for page in pages for plan in page["items"])
    return [plan for plan in plans if key in keys_of(gateway, plan["id"])]


def keys_of(gateway: Any, plan: str) -> list[str]:
    """Return the ids of the keys of a usage plan."""
    pages = gateway.get_paginator("get_usage_plan_keys").paginate(usagePlanId=plan)
    return [found["id"] for page in pages for found in page["items"]]


def is_enabled(gateway: Any, key: str) -> bool:
    """Return whether requests with a key are taken."""
    return bool(gateway.get_api_key(apiKey=key, includeValue=False)["enabled"])
