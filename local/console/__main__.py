"""The program behind ``make console``: serve the console for a deployed stage until Ctrl-C.

    python -m local.console --stage prod [--port N] [--region R] [--profile P] [--stack-name S]

It reads where the stage's API is, and no key: the user types the key into the page. Exit status 0: stopped;
1: it could not be served, and standard error says why.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading

if __name__ == "__main__":
    # Without this, a Ctrl-C during the imports below would print a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from chalicelib import config as settings
from local.console.page import Page
from local.console.running import Console, ConsoleError, running_console
from local.coordinates import PROJECT_FILE
from local.loopback import port_number
from ops import local_stage
from ops.errors import OpsError
from ops.locate import locate_whole
from ops.packaging.bundle import ROOT
from ops.sessions import open_session
from ops.stage import Stage
from ops.terminal import print_line, printable

DEFAULT_PORT = 4569
"""Not that of ``make run``, which may serve a console of its own."""
_POLL_SECONDS = 0.5


def main(arguments: list[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM and return the exit status."""
    options = _options().parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        if options.stage == local_stage.STAGE:
            print_line(f"'make run' serves the console of the local stack: {_local_console_url()}")
            return 0
        page = deployed_page(options.stage, options.stack_name, options.profile, options.region)
        with running_console(options.port, "make console CONSOLE_PORT=...") as console:
            console.show(page)
            print_line(_welcome(page, console))
            _wait(console)
    except KeyboardInterrupt:
        print("\nStopped.")
    except (ConsoleError, OpsError) as error:
        print(printable(str(error)), file=sys.stderr)
        return 1
    return 0


def deployed_page(stage_name: str, stack_name: str | None, profile: str | None, region: str | None) -> Page:
    """Return the page of a deployed stage. Raises OpsError."""
    stage = Stage(ROOT, stage_name)
    session = open_session(stage, profile=profile, region=region, stack_name=stack_name)
    url = locate_whole(stage, session, stack_name).output("RecommendationsUrl")
    stage.check_variables()
    origins = settings.read("ALLOWED_ORIGIN", stage.variables()).origins
    return Page(stage_name, url.rsplit("/", 1)[0], origins)


def _local_console_url() -> str:
    local_stage.read_coordinates(ROOT)  # says what to do when it is not there
    return str(json.loads(PROJECT_FILE.read_text(encoding="utf-8"))["consoleUrl"])


def _welcome(page: Page, console: Console) -> str:
    notice = page.config(console.url)["notice"]
    return (
        f"\nThe console of the stage {page.stage}: {console.url}\n"
        f"It calls {page.api_url}. Type an API key of that stage into the page; it stays in the tab.\n"
        f"{notice + chr(10) if notice else ''}Ctrl-C ends it."
    )


def _wait(console: Console) -> None:
    """Return never, but by KeyboardInterrupt. Raises ConsoleError when the server ends."""
    forever = threading.Event()
    while not forever.wait(_POLL_SECONDS):
        if console.has_ended():
            raise ConsoleError("The console has ended. Run this again.")


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local.console", description="Serve the console for a deployed stage on this machine."
    )
    parser.add_argument("--stage", default="dev", help="stage of .chalice/config.json (default: dev)")
    parser.add_argument("--port", type=port_number, default=DEFAULT_PORT, help=f"default: {DEFAULT_PORT}")
    parser.add_argument("--region", help="AWS region (default: that of the environment or the profile)")
    parser.add_argument("--profile", help="profile of the AWS configuration")
    parser.add_argument("--stack-name", help="name of the one stack (default: personalize-api-STAGE)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
