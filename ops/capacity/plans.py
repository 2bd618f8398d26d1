"""The usage plans that access.yaml gives to the keys, with the defaults of their parameters."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

from ops.packaging.bundle import ROOT
from ops.packaging.templates import Templates
from ops.packaging.throttles import PREFLIGHT, STAGE, effective_values


@dataclass(frozen=True)
class Plan:
    """Limits of one key. ``monthly_quota`` is 0 for none."""

    name: str
    requests_per_second: int
    monthly_quota: int


@dataclass(frozen=True)
class Limits:
    """The plans, what the stage takes a second for a method or a preflight, and the preflighted paths."""

    plans: tuple[Plan, ...]
    stage_per_second: int
    preflights_per_second: int
    preflighted_paths: int

    def beside(self, name: str) -> int:
        """Return the requests a second of all plans but one."""
        return sum(plan.requests_per_second for plan in self.plans if plan.name != name)


MAIN = "main"
"""Name of the plan with the parameters ``ThrottleRateLimit`` and ``MonthlyQuota``."""


@cache
def deployed_limits() -> Limits:
    """Return the limits of access.yaml, where nothing else is given."""
    access = Templates.read(ROOT).access
    values = effective_values(access, {})
    plans = []
    for logical_id, resource in access["Resources"].items():
        if resource["Type"] == "AWS::ApiGateway::UsagePlan":
            properties = resource["Properties"]
            _, quota, _ = properties["Quota"]["Fn::If"]
            rate = int(values[properties["Throttle"]["RateLimit"]["Ref"]])
            name = logical_id.removesuffix("UsagePlan").lower() or MAIN
            plans.append(Plan(name, rate, int(values[quota["Limit"]["Ref"]])))
    contract = json.loads((ROOT / "chalicelib" / "contract" / "openapi.json").read_text(encoding="utf-8"))
    # A browser sends a preflight to each path: it sends the key in a header of our own.
    return Limits(tuple(plans), int(values[STAGE[0]]), int(values[PREFLIGHT[0]]), len(contract["paths"]))
