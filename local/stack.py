"""The whole system on this machine: engine and emulator started, the packaged template deployed to them.

``make run`` starts it for a person (``local.__main__``); tests start it with ``running_stack()``. The program
that deploys to AWS deploys it here too, from the same template.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3

from chalicelib import config as settings
from chalicelib.errors import AwsError
from local import catalogue, state
from local.console.engine import EngineUnreachableError
from local.console.page import local_page
from local.console.running import Console, ConsoleError, running_console
from local.coordinates import FILE_NAME, Stack, to_stack, written
from local.damage import check_emulator_state, how_to_remove
from local.emulator import UNSAVED, UNWRITTEN, Emulator, EmulatorError, start_emulator
from local.gateway import patch_api
from local.personalize import CAMPAIGN_ARNS, REGION, TRACKING_ID
from local.personalize.process import EngineProcess, EngineProcessError, running_engine
from ops.cloudformation.stacks import deploy_stack
from ops.errors import AwsError as AwsCommandError
from ops.errors import OpsError, StackError
from ops.local_stage import STACK_NAME
from ops.packaging.bundle import Package, package
from ops.stage import Stage

STAGE = "dev"
"""The stage of .chalice/config.json that is packaged. Its stage ``local`` is for ``chalice local`` only."""
CAMPAIGNS = {
    "CampaignArn": CAMPAIGN_ARNS["local"],
    "OtherCampaignArns": f"{CAMPAIGN_ARNS['similar']},{CAMPAIGN_ARNS['popular']}",
    "RankingCampaignArn": CAMPAIGN_ARNS["ranking"],
    "ActionCampaignArn": CAMPAIGN_ARNS["actions"],
    "FallbackCampaignArn": CAMPAIGN_ARNS["popular"],
}
"""The engine's campaigns as parameters of the stack."""
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}


START_ERRORS = (
    state.StateError,
    ConsoleError,
    EngineProcessError,
    EngineUnreachableError,
    EmulatorError,
    OpsError,
    *AwsError,
)
"""What ``running_stack()`` raises when it cannot start. The message of each is for a person."""


@dataclass(frozen=True)
class Running:
    """A started stack: its coordinates, a session for its AWS services, and what runs behind it."""

    stack: Stack
    session: boto3.Session
    engine: EngineProcess
    emulator: Emulator
    console: Console

    def client(self, service: str) -> Any:
        """Return a client of one of the stack's AWS services."""
        return _client(self.session, service, self.stack.awsEndpointUrl)


@contextmanager
def running_stack(
    home: Path,
    *,
    coordinates: Path | None = None,
    data: Path = catalogue.FOLDER,
    emulator_port: int = 0,
    engine_port: int = 0,
    console_port: int = 0,
    report: Callable[[str], None] = lambda line: None,
) -> Iterator[Running]:
    """Start everything, deploy, and stop everything at the end of the with statement.

    ``home`` is the folder that keeps the state: the next run finds the same API key, archive and events.
    ``coordinates`` is the file that scripts read while the stack is ready, by default ``home/stack.json``.
    Port 0 takes a free port. ``report`` receives one line for each step. Raises one of ``START_ERRORS``, also
    at the end, when the state could not be saved.
    """
    state.open_home(home)
    coordinates = coordinates or home / FILE_NAME
    in_use = (
        f"The local stack is already running. Use it ({coordinates} has its addresses), or stop it first "
        "with Ctrl-C in its terminal."
    )
    with state.locked(state.lock_file(home), in_use), ExitStack() as started:
        try:
            running = _start(
                started,
                home,
                data=data,
                emulator_port=emulator_port,
                engine_port=engine_port,
                console_port=console_port,
                report=report,
            )
        except OSError as error:
            if not Path(str(error.filename or home)).absolute().is_relative_to(home.absolute()):
                raise
            raise state.unusable(error, home) from error
        started.enter_context(written(running.stack, coordinates))
        yield running


def _start(
    started: ExitStack,
    home: Path,
    *,
    data: Path,
    emulator_port: int,
    engine_port: int,
    console_port: int,
    report: Callable[[str], None],
) -> Running:
    """Start and deploy. ``started`` stops what was started."""
    lock = started.enter_context(state.emulator_locked(home))
    check_emulator_state(home)
    console = started.enter_context(running_console(console_port, "make run CONSOLE_PORT=..."))
    packaged = package(STAGE, report=report)
    report(f"Starting the Personalize engine with {data}")
    engine = started.enter_context(
        running_engine(
            data=data, database=_database(home, data), port=engine_port, output=home / "engine.log"
        )
    )
    report("Starting MiniStack")
    emulator = start_emulator(
        port=emulator_port,
        environment=_function_environment(engine.url),
        state_dir=home / "emulator",
        is_deployed=False,
        inherited=[lock],
    )
    started.push(partial(_stop_saving, emulator))
    report("Deploying the packaged template")
    session = boto3.Session("test", "test", region_name=REGION)
    try:
        stack = _deploy(
            packaged, session, aws_url=emulator.url, engine_url=engine.url, console_url=console.url
        )
    except (OpsError, *AwsError) as error:
        raise _not_deployed(home, emulator, error) from error
    emulator.deployed()
    origins = settings.read("ALLOWED_ORIGIN", Stage(state.PROJECT, STAGE).variables()).origins
    console.show(local_page(stack, session, data, origins))
    started.callback(console.stop)  # before the parts that it shows
    return Running(stack, session, engine, emulator, console)


def _stop_saving(emulator: Emulator, _kind: object, error: BaseException | None, _trace: object) -> None:
    """Stop the emulator. Raises StateError when it ran to the end and could not keep what it had.

    An error that ends the run is the cause, and is reported alone.
    """
    has_ended = emulator.process.poll() is not None
    status = emulator.stop()
    if status and not has_ended and (error is None or isinstance(error, KeyboardInterrupt)):
        raise state.StateError(_what_is_not_kept(emulator))


def _what_is_not_kept(emulator: Emulator) -> str:
    unsaved, unwritten = emulator.last_words(UNSAVED), emulator.last_words(UNWRITTEN)
    sentences = ["Stopped, but not everything is kept."]
    if unwritten:
        sentences.append(f"Objects of the archive could not be written ({unwritten}).")
    if unsaved or not unwritten:
        saved = emulator.saved_at()
        since = time.strftime("after %H:%M:%S", time.localtime(saved)) if saved else "in this run"
        sentences.append(
            f"The state of the emulator could not be saved ({unsaved or emulator.last_words()}): events that "
            f"were accepted {since} and not delivered are lost. The engine keeps those that were delivered."
        )
    return " ".join(
        [*sentences, f"Free some space, or make {emulator.state.parent} a folder that you may write."]
    )


def _not_deployed(home: Path, emulator: Emulator, error: Exception) -> Exception:
    """Return the error that says what to do here. What helps on AWS would be done to the user's account."""
    if emulator.process.poll() is not None:
        return EmulatorError(f"MiniStack ended while the template was deployed: {emulator.last_words()}")
    if isinstance(error, StackError):
        reason = error.reason
    elif isinstance(error, AwsCommandError):
        reason = f"MiniStack does not take a call of the deployment: {error.__cause__}"
    else:
        return error
    return state.StateError(
        f"{reason}\nIf the template is right, the saved state is not. {how_to_remove(home)}"
    )


def _deploy(
    packaged: Package, session: boto3.Session, *, aws_url: str, engine_url: str, console_url: str
) -> Stack:
    parameters = {
        **CAMPAIGNS,
        "EventTrackerId": TRACKING_ID,
        # The emulator's event source ignores FunctionResponseTypes. Delivery has to raise its failures.
        "ReportBatchItemFailures": "false",
        # It takes no alarm on a calculated metric either.
        "Emulated": "true",
    }
    outputs = deploy_stack(
        packaged,
        STACK_NAME,
        parameters,
        session,
        lambda line: None,
        endpoint_url=aws_url,
        poll_seconds=0.1,
    )
    gateway = _client(session, "apigateway", aws_url)
    patch_api(gateway, outputs["RestAPIId"], packaged)
    key = gateway.get_api_key(apiKey=outputs["ApiKeyId"], includeValue=True)
    return to_stack(
        outputs, api_key=key["value"], aws_url=aws_url, engine_url=engine_url, console_url=console_url
    )


def _client(session: boto3.Session, service: str, aws_url: str) -> Any:
    make_client: Any = session.client
    return make_client(service, endpoint_url=aws_url)


def _function_environment(engine_url: str) -> dict[str, str]:
    return {
        **_CREDENTIALS,
        "AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME": engine_url,
        "AWS_ENDPOINT_URL_PERSONALIZE_EVENTS": engine_url,
    }


def _database(home: Path, data: Path) -> Path:
    """Return the engine's database for a data folder. Events of one catalogue make no sense in another."""
    return home / f"events-{hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:12]}.sqlite"
