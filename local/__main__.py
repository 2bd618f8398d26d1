"""The program behind ``make run``: start the stack, print how to use it, and show its log until Ctrl-C.

    python -m local [--data FOLDER] [--home FOLDER] [--port N] [--engine-port N] [--console-port N]

Exit status 0: stopped by Ctrl-C or SIGTERM; 1: the stack could not start, go on or save its state, and
standard error says why.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

if __name__ == "__main__":
    # Without this, a Ctrl-C during the imports below would print a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from local import catalogue, state
from local.coordinates import PROJECT_FILE
from local.environment import remove_developer_settings
from local.log_view import show_log_lines
from local.loopback import port_number
from local.stack import START_ERRORS, running_stack
from local.supervision import ProgramEndedError, supervised
from local.welcome import sample_filter, sample_items, welcome

EMULATOR_PORT = 4566
ENGINE_PORT = 4567
CONSOLE_PORT = 4568


def main(arguments: list[str] | None = None) -> int:
    """Run the stack until Ctrl-C or SIGTERM and return the exit status."""
    options = _options().parse_args(arguments)
    remove_developer_settings()
    _interrupt_on_signals()
    stop = threading.Event()
    home = options.home
    is_ready = False
    try:
        home = home or state.home()
        with running_stack(
            home,
            coordinates=None if options.home else PROJECT_FILE,
            data=options.data,
            emulator_port=options.port,
            engine_port=options.engine_port,
            console_port=options.console_port,
            report=_print_line,
        ) as running:
            _print_line(welcome(running.stack, sample_items(options.data), sample_filter(options.data)))
            is_ready = True
            with supervised(running.engine, running.emulator, running.console, _print_line, stop):
                show_log_lines(running.stack.awsEndpointUrl, _print_line, stop)
    except KeyboardInterrupt:
        kept = f" Events, archive and API key are kept in {home} for the next run." if is_ready else ""
        print(f"\nStopped.{kept}")
    except (ProgramEndedError, *START_ERRORS) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _interrupt_on_signals() -> None:
    """Raise KeyboardInterrupt at the first SIGINT or SIGTERM, and ignore the next ones.

    A second signal must not interrupt the end of the stack: processes would be left running. 'make' sends one
    to its child when it gets one itself. The handler takes no lock: this thread may hold it.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)


def _print_line(line: str) -> None:
    print(line, flush=True)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local", description="Run the whole system on this machine, as 'make run' does."
    )
    parser.add_argument("--data", type=Path, default=catalogue.FOLDER, help="folder with interactions.csv")
    parser.add_argument("--home", type=Path, help="folder that keeps the state, and stack.json with it")
    parser.add_argument(
        "--port", type=_port, default=EMULATOR_PORT, help="port of the API and the AWS services"
    )
    parser.add_argument(
        "--engine-port", type=_port, default=ENGINE_PORT, help="port of the Personalize engine"
    )
    parser.add_argument("--console-port", type=_port, default=CONSOLE_PORT, help="port of the console")
    return parser


def _port(text: str) -> int:
    # Not 0: the next run takes the ports of this one, so that what was pasted still works.
    return port_number(text, lowest=1)


if __name__ == "__main__":
    sys.exit(main())
