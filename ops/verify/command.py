"""The command: the plan, what doctor sees, the points, the removal, the report."""

from __future__ import annotations

import functools
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import boto3

from ops import doctor
from ops.diagnosis import Finding
from ops.errors import DeclinedError, readable_aws_errors
from ops.locate import Deployment, locate_whole
from ops.packaging.bundle import ROOT
from ops.packaging.templates import Templates
from ops.progress import Progress
from ops.sessions import open_session
from ops.stage import Stage
from ops.terminal import Terminal
from ops.usage_plans import is_enabled, keys_of, plans_with
from ops.verify import alarms, archived, aws_only, cost, path, pipeline, rights, runtime
from ops.verify.api_client import ApiClient
from ops.verify.ledger import Ledger
from ops.verify.play import LOCAL_DEADLINES, Deadlines, Play
from ops.verify.points import Point, Result, is_well, play_points
from ops.verify.removal import remove_all
from ops.verify.report import Report

POINTS: tuple[Point, ...] = (
    *path.POINTS,
    *alarms.points(),
    *pipeline.points(),
    *alarms.stopped_points(),
    *rights.points(),
    *runtime.points(),
    *aws_only.points(),
    *archived.points(),
)
"""The archive last: Firehose takes five minutes, in which the others are played."""


@dataclass(frozen=True)
class Options:
    """What the person at the terminal asked for."""

    is_intrusive: bool = False
    is_strict: bool = False
    event_type: str = "view"
    report: Path | None = None


@dataclass
class Run:
    """One run and what it has found so far, also when it is interrupted."""

    play: Play
    settings: Mapping[str, Any]
    report: Callable[[str], None]
    findings: list[Finding] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    started: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    is_ended: bool = False

    def perform(self, points: Sequence[Point]) -> None:
        """Play the points, and take away what was made, whatever happens. First what an earlier run left."""
        left = self.play.ledger.things()
        if left:
            self.report(f"An earlier run has left {len(left)} things. They are removed.")
            self._remove()
        for finding in doctor.examine(self.play.deployment, self.settings, self.play.session):
            self.findings.append(finding)
            self.report(str(finding))
        try:
            for result in play_points(points, self.play):
                self.results.append(result)
                self.report(str(result))
            self.is_ended = True
        finally:
            self._remove()

    def _remove(self) -> None:
        """Take away what this run and earlier ones have made."""
        found = [each.answer.found for each in self.results if each.answer and each.answer.found]
        for removed in remove_all(self.play, is_archived=any(each.is_archived for each in found)):
            if removed.remark:
                self.remarks.append(removed.remark)
                self.report(removed.remark)

    def to_report(self, *, is_strict: bool) -> Report:
        """Return what was found so far."""
        deployment = self.play.deployment
        return Report(
            stage=deployment.stage,
            stacks=deployment.stacks,
            region=deployment.region,
            mark=self.play.mark,
            started=self.started,
            seconds=(self.play.now() - self.started).total_seconds(),
            usd=cost.estimate(is_intrusive=self.play.is_intrusive),
            findings=self.findings,
            results=self.results,
            remarks=self.remarks,
            left=[str(thing) for thing in self.play.ledger.things()],
            is_well=self.is_ended and is_well(self.findings, self.results, is_strict=is_strict),
            is_local=self.play.is_local,
            is_ended=self.is_ended,
        )


def run_verify(
    stage_name: str,
    options: Options,
    terminal: Terminal,
    *,
    stack_name: str | None,
    profile: str | None,
    region: str | None,
) -> bool:
    """Verify a deployment. Return whether it is proved to work. Raises DeclinedError."""
    stage = Stage(ROOT, stage_name)
    session = open_session(stage, profile=profile, region=region, stack_name=stack_name)
    deployment = locate_whole(stage, session, stack_name)
    progress = Progress(time.monotonic)
    play = replace(open_play(deployment, session, options), show=progress.show)
    if not terminal.confirm(plan(play)):
        raise DeclinedError

    def report(line: str) -> None:
        progress.end()
        terminal.report(line)

    settings = doctor.expected_settings(deployment, Templates.read(ROOT).event_source_settings())
    run = Run(play, settings, report)
    file = options.report or ROOT / "build" / f"verify-{stage_name}.md"
    with play.ledger.locked():
        try:
            run.perform(POINTS)
        finally:
            written = run.to_report(is_strict=options.is_strict)
            report(written.summary())
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(written.markdown(os.path.relpath(ROOT, file.parent)), encoding="utf-8")
            for thing in written.left:
                report(f"Left in the account: {thing}. The next run removes it.")
            report(f"The report is in {file}.")
    return written.is_well


def open_play(
    deployment: Deployment,
    session: boto3.Session,
    options: Options,
    *,
    deadlines: Deadlines | None = None,
    ledger: Ledger | None = None,
) -> Play:
    """Return the context of a run, with a new test user. Raises AwsError."""
    clients = functools.cache(lambda name: make_client(session, name))
    is_local = deployment.stage == "local"
    with readable_aws_errors():
        function = clients("lambda").get_function_configuration(FunctionName=deployment.delivery_function)
        key = _key(clients("apigateway"), deployment.output("ApiKeyId"))
    url = deployment.output("RecommendationsUrl").rpartition("/")[0]
    return Play(
        deployment,
        session,
        clients,
        ApiClient.at(url, key, is_local=is_local),
        ledger or Ledger.of(deployment.region, *deployment.stacks, function["FunctionArn"]),
        f"verify-{secrets.token_hex(6)}",
        options.event_type,
        function.get("Environment", {}).get("Variables", {}),
        function["Role"],
        deadlines or (LOCAL_DEADLINES if is_local else Deadlines()),
        time.sleep,
        time.monotonic,
        options.is_intrusive,
    )


def _key(gateway: Any, key_id: str) -> str:
    """Return the value of a key; where it is disabled, of another key of its plans: rotate-key makes one."""
    found = gateway.get_api_key(apiKey=key_id, includeValue=True)
    if not found["enabled"]:
        others = (other for plan in plans_with(gateway, key_id) for other in keys_of(gateway, plan["id"]))
        other = next((other for other in others if is_enabled(gateway, other)), key_id)
        found = gateway.get_api_key(apiKey=other, includeValue=True)
    return str(found["value"])


def make_client(session: boto3.Session, name: str) -> Any:
    """Return a client of a service."""
    make: Any = session.client
    return make(name)


def plan(play: Play) -> list[str]:
    """Return what a run does, for the person who has to agree. Pure."""
    lines = [
        f"Verifying the stage {play.deployment.stage} ({', '.join(play.deployment.stacks)} in "
        f"{play.deployment.region}) as the test user {play.mark}:",
        f"  - requests, and 6 events of the type '{play.event_type}', which Personalize keeps",
        "  - a record that breaks the contract and a batch as if Lambda had given it up; both go back",
        "  - each alarm is set for a moment: whoever gets the alarms gets messages that name verify",
        "  - a queue, and on AWS a function that calls nothing, are made and deleted",
        "  - everything is taken away at the end, but the interactions in Personalize",
    ]
    if play.is_intrusive:
        lines += [
            "  - THE EVENT SOURCE IS DISABLED until DeliveryStoppedAlarm rings: 15 to 40 minutes",
            f"  - {aws_only.KEYLESS_REQUESTS:,} requests without a key at once: clients may get a 429",
        ]
    costs = "On AWS it would cost" if play.is_local else "It costs"
    return [*lines, f"{costs} at most {cost.estimate(is_intrusive=play.is_intrusive):.4f} USD."]
