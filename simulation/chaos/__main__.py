"""The command ``python -m simulation.chaos``. It prints the report; exit status 1 means a broken promise."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from dataclasses import fields, replace
from pathlib import Path

from local.emulator import EmulatorError, running_emulator
from local.personalize.process import EngineProcessError
from simulation.chaos.quarantine import CREDENTIALS
from simulation.chaos.report import table
from simulation.chaos.run import run
from simulation.chaos.sandbox import SandboxError
from simulation.chaos.scenario import Scenario
from simulation.progress import Progress

SETTINGS = {"true": (True,), "false": (False,), "both": (False, True)}

HELP = {
    "events": "events in the stream, poison included",
    "sessions": "sessions of these events",
    "shards": "shards of the stream",
    "batch_size": "most records of an invocation",
    "throttle": "share of the requests to Personalize that fail with ThrottlingException",
    "errors": "share of the requests to Personalize that fail with status 503",
    "resets": "share of the requests to Personalize whose connection is reset",
    "lost_responses": "share of the requests to Personalize that are processed and whose response is lost",
    "queue_errors": "share of calls to the quarantine queue whose connection is closed",
    "poison": "share of events that can never be delivered",
    "duplicates": "share of events that a producer's retry puts twice",
    "actions": "share of events that are interactions with actions",
    "aggregated": "share of events that a producer puts into records of several, as aggregates or as lines",
    "sign_ins": "share of sessions in which the user signs in midway",
    "kills": "share of invocations that are killed at a random moment",
    "short_timeouts": "share of invocations that start with eleven seconds left",
    "shared_sessions": "sessions whose events alternate between two users: a chain of calls each",
    "latency_ms": "milliseconds that Personalize takes for a call",
    "timeout_seconds": "time that the other invocations have",
    "limit_seconds": "time after which a run is stopped",
    "seed": "number that makes traffic and faults repeatable",
}


def main(arguments: list[str] | None = None) -> int:
    """Run the scenario that the command line describes and return the exit status."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    scenario = Scenario(**{name: getattr(options, name) for name in HELP})
    progress = Progress(time.monotonic)
    results = []
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            progress("Starting MiniStack for the quarantine queue")
            with running_emulator(environment=CREDENTIALS, state_dir=folder / "emulator") as emulator:
                for report_failures in SETTINGS[options.report_failures]:
                    one = replace(scenario, report_batch_item_failures=report_failures)
                    files = folder / ("reporting" if report_failures else "raising")
                    files.mkdir()
                    progress(f"With deliver_events {one.label}:", last=True)
                    results.append(run(one, emulator_url=emulator.url, folder=files, progress=progress))
    except KeyboardInterrupt:
        progress("Stopped.", last=True)
        return 130
    except (SandboxError, EmulatorError, EngineProcessError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    progress("", last=True)
    print(table(results))
    return 1 if any(result.broken for result in results) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulation.chaos",
        description="Deliver events while every fault happens at once. Then count what arrived.",
    )
    for field in fields(Scenario):
        if field.name in HELP:
            parser.add_argument(
                "--" + field.name.replace("_", "-"),
                type=type(field.default),
                default=field.default,
                help=f"{HELP[field.name]} (default: {field.default})",
            )
    choice = parser.add_mutually_exclusive_group()
    for option, value, text in (
        ("--report-batch-item-failures", "true", "run only with REPORT_BATCH_ITEM_FAILURES"),
        ("--no-report-batch-item-failures", "false", "run only without REPORT_BATCH_ITEM_FAILURES"),
        ("--both", "both", "run first without, then with it (the default)"),
    ):
        choice.add_argument(
            option, dest="report_failures", action="store_const", const=value, default="both", help=text
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
