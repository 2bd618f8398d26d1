"""The rotation of an API key in two steps, with both keys valid between them.

    make      a new key in the usage plans of the one that clients have; both open the API
    retire    the old key is disabled when no client uses it any more

The value of a key cannot be changed (API_UpdateApiKey). A key that belongs to a stack is never deleted
here: the stack would fail at its next change of it. Values are never read: terminals and jobs are logged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, cast

from ops.command_lines import make_line, shell_line
from ops.errors import DeclinedError, InputError, readable_aws_errors
from ops.locate import locate_whole
from ops.packaging.bundle import ROOT
from ops.sessions import sign_in
from ops.stage import Stage
from ops.summary import key_command
from ops.terminal import Terminal
from ops.usage_plans import is_enabled, keys_of, plans_with

_NAME = "rotated"


def run_rotate_key(
    stage_name: str,
    terminal: Terminal,
    *,
    key: str | None,
    retire: str | None,
    stack_name: str | None,
    profile: str | None,
    region: str | None,
) -> None:
    """Make a key beside ``key`` (default: that of the stack), or disable the key ``retire``."""
    if key and retire:
        raise InputError("--key names the key to rotate, --retire the key to disable: give one of them.")
    stage = Stage(ROOT, stage_name)
    session = sign_in(stage, terminal, profile=profile, region=region)
    deployment = locate_whole(stage, session, stack_name)
    keys = ApiKeys(
        cast(Any, session).client("apigateway"), deployment.stacks[0], deployment.api_id, stage_name
    )
    with readable_aws_errors():
        if retire:
            keys.retire(retire, terminal)
            return
        old = key or deployment.output("ApiKeyId")
        new = keys.make(old, terminal)
    retire_line = make_line("rotate-key", "--retire", old, STAGE=stage_name)
    terminal.report(
        f"The new key is {new}. Both keys open the API now. Read the new one, and give it to the clients:\n"
        f"  {key_command(new, session.region_name)}\n"
        f"When no client uses the old key any more:\n  {retire_line}"
    )


@dataclass(frozen=True)
class ApiKeys:
    """The keys of a deployment. ``stack`` is the stack that has the first one."""

    gateway: Any
    stack: str
    api_id: str
    stage: str
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)

    def make(self, old: str, terminal: Terminal) -> str:
        """Make a key in the usage plans of the old one and return its id. Raises DeclinedError."""
        plans = self._plans_of(old)
        name = f"{rotated_prefix(self.stack)}{self.now():%Y%m%d%H%M%S}"
        plan = [f"  + API key {name} in the usage plan {plan['id']}, beside {old}" for plan in plans]
        if not terminal.confirm(plan):
            raise DeclinedError
        made = self.gateway.create_api_key(
            name=name,
            description=f"Made beside {old} by rotate-key",
            enabled=True,
            tags={"project": "personalize-api", "stage": self.stage},
        )
        for found in plans:
            self.gateway.create_usage_plan_key(usagePlanId=found["id"], keyId=made["id"], keyType="API_KEY")
        return cast(str, made["id"])

    def retire(self, key: str, terminal: Terminal) -> None:
        """Disable a key. Raises InputError where no other key of a usage plan would open the API."""
        for found in self._plans_of(key):
            others = [other for other in keys_of(self.gateway, found["id"]) if other != key]
            if not any(is_enabled(self.gateway, other) for other in others):
                raise InputError(
                    f"{key} is the only key of the usage plan {found['id']} that opens the API. Make another "
                    f"one first: {make_line('rotate-key', STAGE=self.stage)}"
                )
        if not terminal.confirm([f"  - API key {key}: every request with it is refused from now on"]):
            raise DeclinedError
        self._set_enabled(key, value="false")
        enable = shell_line(
            *("aws", "apigateway", "update-api-key", "--api-key", key),
            *("--patch-operations", "op=replace,path=/enabled,value=true"),
        )
        terminal.report(f"The key {key} is disabled. To take that back: {enable}")

    def _set_enabled(self, key: str, *, value: str) -> None:
        self.gateway.update_api_key(
            apiKey=key, patchOperations=[{"op": "replace", "path": "/enabled", "value": value}]
        )

    def _plans_of(self, key: str) -> list[Mapping[str, Any]]:
        """Return the usage plans of the API that have the key. Raises InputError for none."""
        plans = [
            plan
            for plan in plans_with(self.gateway, key)
            if any(stage["apiId"] == self.api_id for stage in plan.get("apiStages", []))
        ]
        if not plans:
            raise InputError(
                f"The key {key} is in no usage plan of this API. 'make doctor' looks at the key."
            )
        return plans


def rotated_prefix(stack: str) -> str:
    """Return what the names of the keys begin with that rotate-key has made beside a stack's key."""
    return f"{stack}-{_NAME}-"


def rotated_keys(gateway: Any, stack: str) -> list[str]:
    """Return the ids of the keys that rotate-key has made: no stack has them, so ``destroy`` deletes them."""
    pages = gateway.get_paginator("get_api_keys").paginate(
        nameQuery=rotated_prefix(stack), includeValues=False
    )
    return [key["id"] for page in pages for key in page["items"]]


def delete_keys(gateway: Any, keys: Iterable[str]) -> None:
    """Delete keys."""
    for key in keys:
        gateway.delete_api_key(apiKey=key)
