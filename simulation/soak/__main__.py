"""The command ``python -m simulation.soak``. It prints the report; exit status 1 means a broken promise."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path

from local.environment import remove_developer_settings
from simulation.progress import Progress
from simulation.soak.local_run import SoakError
from simulation.soak.report import report
from simulation.soak.run import run
from simulation.soak.scenario import FAULTS, Part, Scenario

HELP = {
    "minutes": "how long requests are sent",
    "rate": "requests a second, of all clients together",
    "phase_seconds": "seconds until the next fault",
    "faults": f"faults of Personalize, one after another and again, out of {','.join(FAULTS)}",
    "kills": f"what is killed, out of {','.join(part.value for part in Part)}; empty: nothing",
    "clients": "clients, each with one connection",
    "worker_kills": "workers of the functions that are killed in each phase",
    "poison": "records of another producer in each phase that break the contract",
    "limit_seconds": "time after the last request for what is still on its way",
    "seed": "number that makes traffic, faults and kills repeatable",
}


def main(arguments: list[str] | None = None) -> int:
    """Run the soak that the command line describes and return the exit status."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    remove_developer_settings()
    scenario = Scenario(**{name: getattr(options, name) for name in HELP})
    progress = Progress(time.monotonic)
    try:
        with nullcontext(options.home) if options.home else tempfile.TemporaryDirectory() as name:
            home = Path(name)
            home.mkdir(parents=True, exist_ok=True)
            result = run(scenario, home=home, progress=progress)
    except KeyboardInterrupt:
        progress("Stopped.", last=True)
        return 130
    except SoakError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    progress("", last=True)
    print(report(result))
    return 1 if result.broken else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulation.soak",
        description="Send to the local stack while parts of it fail and are killed. Then count what arrived.",
    )
    known = {"faults": list(FAULTS), "kills": [part.value for part in Part]}
    for field in fields(Scenario):
        default = field.default
        shown = ",".join(default) if isinstance(default, tuple) else default
        parser.add_argument(
            "--" + field.name.replace("_", "-"),
            type=_names_of(known[field.name]) if field.name in known else type(default),
            default=default,
            help=f"{HELP[field.name]} (default: {shown})",
        )
    parser.add_argument("--home", type=Path, help="empty folder for state and output, which are then kept")
    return parser


def _names_of(known: Collection[str]) -> Callable[[str], tuple[str, ...]]:
    def names(text: str) -> tuple[str, ...]:
        found = tuple(filter(None, text.split(",")))
        for name in found:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return found

    return names


if __name__ == "__main__":
    sys.exit(main())
