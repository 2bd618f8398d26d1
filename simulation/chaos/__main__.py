"""python -m simulation.chaos: run it, print the books. Exit status 1 when a promise is broken."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

from local.emulator import EmulatorError, running_emulator
from local.personalize.process import EngineProcessError
from simulation.chaos.books import table
from simulation.chaos.quarantine import CREDENTIALS
from simulation.chaos.run import run
from simulation.chaos.sandbox import SandboxError
from simulation.chaos.scenario import Scenario

SETTINGS = {"true": (True,), "false": (False,), "both": (False, True)}
QUIET_SECONDS = 10.0
"""Between two lines of progress where they cannot overwrite each other."""

HELP = {
    "events": "records in the stream",
    "sessions": "sessions they belong to",
    "shards": "shards of the stream",
    "batch_size": "records of an invocation at most",
    "throttle": "share of PutEvents requests answered with ThrottlingException",
    "errors": "share answered with 503",
    "resets": "share whose connection is reset",
    "lost_answers": "share carried out whose answer is lost",
    "queue_errors": "share of calls to the quarantine queue whose connection breaks",
    "poison": "share of records that can never be delivered",
    "duplicates": "share of records that a producer's retry puts twice",
    "sign_ins": "share of sessions in which the user signs in midway",
    "kills": "share of invocations killed at a random moment",
    "hurries": "share of invocations that start with six seconds left",
    "timeout": "seconds of the others",
    "limit": "seconds after which a run is stopped",
    "seed": "draws the same traffic and the same faults again",
}


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    scenario = Scenario(**{name: getattr(options, name) for name in HELP})
    progress = _Progress(time.monotonic)
    results = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            progress("Starting MiniStack for the quarantine queue")
            with running_emulator(environment=CREDENTIALS, state_dir=home / "emulator") as emulator:
                for report_failures in SETTINGS[options.report]:
                    one = replace(scenario, report_batch_item_failures=report_failures)
                    place = home / ("reporting" if report_failures else "raising")
                    place.mkdir()
                    progress(f"With deliver_events {one.label}:", last=True)
                    results.append(run(one, emulator_url=emulator.url, home=place, report=progress))
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
    parser = argparse.ArgumentParser(prog="python -m simulation.chaos", description=__doc__)
    for field in fields(Scenario):
        if field.name in HELP:
            parser.add_argument(
                "--" + field.name.replace("_", "-"),
                type=type(field.default),
                default=field.default,
                help=f"{HELP[field.name]} (default: {field.default})",
            )
    choice = parser.add_mutually_exclusive_group()
    for spelling, value, text in (
        ("--report-batch-item-failures", "true", "only with REPORT_BATCH_ITEM_FAILURES"),
        ("--no-report-batch-item-failures", "false", "only without"),
        ("--both", "both", "first without, then with (the default)"),
    ):
        choice.add_argument(
            spelling, dest="report", action="store_const", const=value, default="both", help=text
        )
    return parser


class _Progress:
    """One line that is written over on a terminal; elsewhere a line now and then."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next = 0.0
        self._width = 0

    def __call__(self, line: str, *, last: bool = False) -> None:
        if sys.stderr.isatty():
            sys.stderr.write("\r" + line.ljust(self._width) + ("\n" if last else ""))
            sys.stderr.flush()
            self._width = 0 if last else len(line)
        elif line and (last or self._clock() >= self._next):
            self._next = self._clock() + QUIET_SECONDS
            print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
