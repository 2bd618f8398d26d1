"""The command: the plan, what doctor sees, the points, the removal, the report."""

from __future__ import annotations

import functools
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import boto3

from ops import doctor
from ops.diagnosis import Finding
from ops.errors import DeclinedError, InputError, readable_aws_errors
from ops.locate import Deployment
from ops.packaging.bundle import ROOT
from ops.packaging.templates import Templates
from ops.progress import Progress
from ops.target import Target
from ops.terminal import Terminal
from ops.usage_plans import is_enabled, keys_of, plans_with
from ops.verify import alarms, archived, aws_only, cost, path, pipeline, rights, runtime
from ops.verify.api_client import ApiClient
from ops.verify.ledger import Kind, Ledger, Thing
from ops.verify.play import LOCAL_DEADLINES, Deadlines, Play
from ops.verify.points import Point, Result, is_well, play_points
from ops.verify.removal import Removed, consequence, remove_all
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
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STOPPED_EVENTS = int(Deadlines().stopped // 30)
"""Sent while delivery is stopped, one each half a minute (alarms.py)."""
_AGAIN = {
    Kind.EVENT_SOURCE: " is ENABLED, also if somebody has disabled it since",
    Kind.ALARM: " is set back, if the run has set it last",
}


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
    removed: list[Removed] = field(default_factory=list)
    started: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    is_ended: bool = False

    def remove_earlier(self) -> None:
        """Take away what earlier runs have left. A signal meanwhile ends the run after it."""
        left = self.play.ledger.things()
        if left:
            self.say(f"An earlier run has left {len(left)} things. They are removed.")
            with undisturbed() as signals:
                self._remove()
            if signals:
                raise KeyboardInterrupt

    def perform(self, points: Sequence[Point]) -> None:
        """Play the points, and take away what was made, whatever happens."""
        for finding in doctor.examine(self.play.deployment, self.settings, self.play.session):
            self.findings.append(finding)
            self.say(str(finding))
        try:
            for result in play_points(points, self.play):
                self.results.append(result)
                self.say(str(result))
                self._renew_test_user()
            self.is_ended = True
        finally:
            with undisturbed():
                with suppress(OSError):  # a full disk: what was made is taken away all the same
                    self._renew_test_user()
                self._remove()

    def _renew_test_user(self) -> None:
        """Note that the last event may have been sent just now: it is in the archive only later."""
        self.play.ledger.renew(Kind.TEST_USER, self.play.mark, self.play.now().isoformat())

    def say(self, line: str) -> None:
        """Report a line. A terminal that is gone ends nothing: the file has the whole report."""
        with suppress(OSError):
            self.report(line)

    def _remove(self) -> None:
        """Take away what this run and earlier ones have made."""
        found = [each.answer.found for each in self.results if each.answer and each.answer.found]
        removed = remove_all(self.play, is_archived=any(each.is_archived for each in found))
        things = [each.thing for each in removed]
        self.removed = [*(each for each in self.removed if each.thing not in things), *removed]
        for each in removed:
            if each.remark:
                self.say(each.remark)

    @property
    def has_cleaned_up(self) -> bool:
        """Whether nothing is left but test users whose events may not be in the archive yet."""
        waiting = [each.thing for each in self.removed if each.is_waiting]
        return all(thing in waiting for thing in self.play.ledger.things())

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
            remarks=[each.remark for each in self.removed if each.remark],
            left=[consequence(thing, deployment.region) for thing in self.play.ledger.things()],
            is_well=self.is_ended
            and self.has_cleaned_up
            and is_well(self.findings, self.results, is_strict=is_strict),
            is_local=self.play.is_local,
            is_ended=self.is_ended,
        )


def run_verify(
    target: Target,
    options: Options,
    terminal: Terminal,
) -> bool:
    """Verify a deployment. Return whether it is proved to work. Raises DeclinedError, InputError."""
    refuse_in_ci(options, os.environ)
    reached = target.open(is_whole=True)
    deployment, session = reached.deployment, reached.session
    progress = Progress(time.monotonic)
    play = replace(open_account(deployment, session, options), show=progress.show)

    def report(line: str) -> None:
        progress.end()
        terminal.report(line)

    settings = doctor.expected_settings(deployment, Templates.read(ROOT).event_source_settings())
    run = Run(play, settings, report)
    file = options.report or ROOT / "build" / f"verify-{target.stage_name}.md"
    with play.ledger.locked():
        if not terminal.confirm(plan(play, play.ledger.things())):
            raise DeclinedError
        with first_signal_only():
            try:
                run.remove_earlier()
                run.play = with_key(play)
                run.perform(POINTS)
            finally:
                with undisturbed():
                    written = run.to_report(is_strict=options.is_strict)
                    _write_and_say(run, written, file)
    return written.is_well


def _write_and_say(run: Run, written: Report, file: Path) -> None:
    """Write the report, then print its end: the terminal may be gone."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(written.markdown(os.path.relpath(ROOT, file.parent)), encoding="utf-8")
    finally:
        run.say(written.summary())
        for thing in written.left:
            run.say(f"Left in the account: {thing}")
    run.say(f"The report is in {file}.")


def refuse_in_ci(options: Options, environ: Mapping[str, str]) -> None:
    """Refuse to stop delivery where nobody looks. Raises InputError."""
    if options.is_intrusive and environ.get("CI"):
        raise InputError(
            "--intrusive stops the delivery of events, and the variable CI is set: a job that is cancelled "
            "could leave it stopped. Run it at a terminal, or leave --intrusive out."
        )


@contextmanager
def first_signal_only() -> Iterator[None]:
    """Let the first signal interrupt the block, and no further one: the block then cleans up."""

    def interrupt(_number: int, _frame: object) -> None:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    with _handling(interrupt):
        yield


@contextmanager
def undisturbed() -> Iterator[list[int]]:
    """Keep signals from interrupting the block. Yields the list of those that come."""
    came: list[int] = []
    with _handling(lambda number, _frame: came.append(number)):
        yield came


@contextmanager
def _handling(handler: Callable[[int, Any], None]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def with_key(play: Play) -> Play:
    """Return the context with the key of the API. Raises AwsError."""
    with readable_aws_errors():
        key = _key(play.clients("apigateway"), play.deployment.output("ApiKeyId"))
    return replace(play, api=replace(play.api, key=key))


def open_account(
    deployment: Deployment,
    session: boto3.Session,
    options: Options,
    *,
    deadlines: Deadlines | None = None,
    ledger: Ledger | None = None,
) -> Play:
    """Return the context of a run without the key: enough to remove what is left. Raises AwsError."""
    clients = functools.cache(lambda name: make_client(session, name))
    is_local = deployment.stage == "local"
    with readable_aws_errors():
        function = clients("lambda").get_function_configuration(FunctionName=deployment.delivery_function)
    url = deployment.output("RecommendationsUrl").rpartition("/")[0]
    return Play(
        deployment,
        session,
        clients,
        ApiClient.at(url, "", is_local=is_local),
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


def plan(play: Play, left: Sequence[Thing] = ()) -> list[str]:
    """Return what a run does, for the person who has to agree. ``left`` is what earlier runs left. Pure."""
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
            f"  - up to {_STOPPED_EVENTS} more events meanwhile, one each half a minute",
            f"  - {aws_only.KEYLESS_REQUESTS:,} requests without a key at once: clients may get a 429",
        ]
    if left:
        lines.append("Earlier runs have left these. They are removed first:")
        lines += [f"  - {each}{_AGAIN.get(each.kind, '')}" for each in left]
    costs = "On AWS it would cost" if play.is_local else "It costs"
    return [*lines, f"{costs} at most {cost.estimate(is_intrusive=play.is_intrusive):.4f} USD."]
