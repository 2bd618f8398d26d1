"""The engine as a program: ``python -m local.personalize``.

It prints one line when it is ready. Exit status 0: stopped by SIGTERM, SIGINT or the end of standard input;
2: it cannot start, and standard error has one sentence that says why.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from local.catalogue import FOLDER
from local.loopback import port_number
from local.personalize.errors import StartError


def main(arguments: list[str] | None = None) -> int:
    """Run the engine until it is told to stop and return the exit status."""
    options = _parser().parse_args(arguments)
    # The database and its log hold personal data: no other user of the machine may read them.
    os.umask(0o077)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    # Imported here: --help must not take the second that numpy and implicit need.
    from local.personalize.run import run  # noqa: PLC0415

    try:
        run(options.port, options.data, options.database, stop_with_stdin=options.stop_with_stdin)
    except StartError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.personalize",
        description="A local engine that speaks Amazon Personalize's protocol.",
    )
    parser.add_argument(
        "--port", type=port_number, default=8010, help="0 takes a free port (default: %(default)s)"
    )
    parser.add_argument("--data", type=Path, default=FOLDER, help="folder with interactions.csv")
    parser.add_argument("--database", type=Path, required=True, help="file that keeps the events")
    parser.add_argument("--stop-with-stdin", action="store_true", help="stop when standard input is closed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
