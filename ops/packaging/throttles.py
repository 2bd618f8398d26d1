"""The throttles of the API's stage, and the rule that they leave room for the plans. Pure.

A usage plan limits a key. The stage's throttles limit everyone, also callers without a key. They belong to
the stage, which Chalice makes: packaging adds them to the one stack, the step ``access`` patches the stage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ops.errors import InputError
from ops.packaging.merge import API, Document

STAGE = ("StageThrottleRateLimit", "StageThrottleBurstLimit")
"""Parameters of access.yaml: requests a second, and at once, for each method."""

PREFLIGHT = ("PreflightThrottleRateLimit", "PreflightThrottleBurstLimit")
"""The same for each OPTIONS method, which needs no key."""

_EVERY_METHOD = ("/*", "*")
_LIMITS = ("RateLimit", "BurstLimit")
_PLAN = "AWS::ApiGateway::UsagePlan"


def with_stage_throttles(template: Document) -> Document:
    """Return the packaged template with a throttle for each method of the API.

    The paths come from the template itself, so a new route has its throttle.
    """
    api = template["Resources"][API]
    limits = _limits_of_methods(_preflight_paths(api["Properties"]["DefinitionBody"]["paths"]))
    settings = [
        {
            "ResourcePath": path,
            "HttpMethod": method,
            "ThrottlingRateLimit": {"Ref": rate},
            "ThrottlingBurstLimit": {"Ref": burst},
        }
        for (path, method), (rate, burst) in limits.items()
    ]
    throttled = api | {"Properties": api["Properties"] | {"MethodSettings": settings}}
    return template | {"Resources": template["Resources"] | {API: throttled}}


def stage_patch(resources: Iterable[Mapping[str, Any]], values: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the patch of UpdateStage that sets the throttles.

    ``resources`` are those of the API, as GetResources lists them. The form of the paths:
    docs.aws.amazon.com/apigateway/latest/api/patch-operations.html.
    """
    paths = [str(each["path"]) for each in resources if "OPTIONS" in each.get("resourceMethods", {})]
    return [
        {"op": "replace", "path": f"{path}/{method}/throttling/{limit}", "value": values[parameter]}
        for (path, method), parameters in _limits_of_methods(paths).items()
        for limit, parameter in zip(("rateLimit", "burstLimit"), parameters, strict=True)
    ]


def check_stage_throttle(template: Document, values: Mapping[str, str]) -> None:
    """Raise InputError for a stage that takes less than its usage plans allow together.

    ``values`` are those of the command line and of the stack. Below the sum, one key's requests would be
    refused because of another key's.
    """
    effective = effective_values(template, values)
    plans = [
        each["Properties"]["Throttle"] for each in template["Resources"].values() if each["Type"] == _PLAN
    ]
    for limit, parameter in zip(_LIMITS, STAGE, strict=True):
        allowed = sum(int(effective[plan[limit]["Ref"]]) for plan in plans)
        if int(effective[parameter]) < allowed:
            raise InputError(
                f"{parameter} is {effective[parameter]}, and the usage plans allow {allowed} together. "
                f"Give --parameter {parameter}={allowed} or more."
            )
    for stage, preflight in zip(STAGE, PREFLIGHT, strict=True):
        if int(effective[preflight]) > int(effective[stage]):
            raise InputError(
                f"{preflight} is {effective[preflight]}, and {stage} is {effective[stage]}. Preflights need "
                f"no key: give --parameter {preflight}={effective[stage]} or less."
            )


def effective_values(template: Document, values: Mapping[str, str]) -> dict[str, str]:
    """Return the value of every parameter: that in ``values``, else the template's default."""
    definitions = template["Parameters"].items()
    defaults = {name: str(each["Default"]) for name, each in definitions if "Default" in each}
    return {**defaults, **values}


def _preflight_paths(paths: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [path for path, methods in paths.items() if "options" in methods]


def _limits_of_methods(preflight_paths: Iterable[str]) -> dict[tuple[str, str], tuple[str, str]]:
    """Return the parameters of each pair of path and method.

    ``/`` within a path is written ``~1``, in AWS::ApiGateway::Stage MethodSetting as well as in UpdateStage.
    """
    preflights = {(f"/{path.replace('/', '~1')}", "OPTIONS"): PREFLIGHT for path in sorted(preflight_paths)}
    return {_EVERY_METHOD: STAGE, **preflights}
