"""`make run`: the whole system on this machine, from one command until Ctrl-C.

Starts the Personalize engine and MiniStack on 127.0.0.1, deploys the packaged template to it with the program
that deploys to AWS, leaves .local/stack.json for scripts, and follows the log. State is kept in the folder of
local.state: the next run finds the same API key, archive and events. Tests start the same stack with
running_stack().
"""

from __future__ import annotations

import argparse
import csv
import fcntl
import hashlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

if __name__ == "__main__":
    # A Ctrl-C while the imports below still run ends the program without a word.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import boto3

from local import catalogue, state
from local.emulator import FOREIGN, EmulatorError, running_emulator
from local.gateway import mend_api
from local.log_view import follow
from local.personalize import CAMPAIGN_ARN, REGION, TRACKING_ID
from local.personalize.process import EngineProcess, EngineProcessError, running_engine
from ops.command_lines import shell_line
from ops.deploy import DeployError, deploy_stack, package

COORDINATES = state.PROJECT / ".local" / "stack.json"
"""In the project, where scripts find it. With --home it is in that folder: two stacks do not share it."""
STACK_NAME = "personalize-api-local"
STAGE = "dev"
"""Of .chalice/config.json. Not its stage 'local': that one is for `chalice local` and names endpoints."""
EMULATOR_PORT = 4566
ENGINE_PORT = 4567
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}


class StackError(Exception):
    """The stack could not be started; the sentence says what to do."""


@dataclass(frozen=True)
class Stack:
    """What .local/stack.json holds. Others read these names; DESIGN, section 6."""

    apiUrl: str
    apiKey: str
    consoleUrl: str
    awsEndpointUrl: str
    personalizeUrl: str
    bucket: str
    streamName: str
    quarantineQueueUrl: str
    campaignArn: str
    trackingId: str


@dataclass(frozen=True)
class Running:
    """A started stack: its coordinates, the session that reaches its AWS services, and the engine itself."""

    stack: Stack
    session: boto3.Session
    engine: EngineProcess

    def client(self, service: str) -> Any:
        make: Any = self.session.client
        return make(service, endpoint_url=self.stack.awsEndpointUrl)


@contextmanager
def running_stack(
    home: Path,
    *,
    coordinates: Path | None = None,
    data: Path = catalogue.FOLDER,
    emulator_port: int = 0,
    engine_port: int = 0,
    report: Callable[[str], None] = lambda line: None,
) -> Iterator[Running]:
    """Start everything, deploy, and stop it all at the end. Port 0 takes a free one.

    ``home`` keeps the state. ``coordinates`` is the file that tells where the stack is while it is ready; by
    default ``home/stack.json``. Raises StackError and the errors of engine, emulator and deployment.
    """
    state.open_home(home)
    with ExitStack() as stack:
        stack.enter_context(_only_one(state.lock_file(home), coordinates or home / "stack.json"))
        built = package(STAGE, report=report)
        report(f"Starting the Personalize engine with {data}")
        engine = stack.enter_context(
            running_engine(
                data=data, database=_database(home, data), port=engine_port, output=home / "engine.log"
            )
        )
        report("Starting MiniStack")
        emulator = stack.enter_context(
            running_emulator(
                port=emulator_port,
                environment={
                    **CREDENTIALS,
                    "AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME": engine.url,
                    "AWS_ENDPOINT_URL_PERSONALIZE_EVENTS": engine.url,
                },
                state_dir=home / "emulator",
            )
        )
        session = boto3.Session("test", "test", region_name=REGION)
        report("Deploying the packaged template")
        outputs = deploy_stack(
            built,
            STACK_NAME,
            {
                "CampaignArn": CAMPAIGN_ARN,
                "EventTrackerId": TRACKING_ID,
                # The emulator's event source ignores FunctionResponseTypes, so failures have to be raised.
                "ReportBatchItemFailures": "false",
            },
            session,
            lambda line: None,
            endpoint_url=emulator.url,
            poll_seconds=0.1,
        )
        mend_api(session.client("apigateway", endpoint_url=emulator.url), outputs["RestAPIId"], built)
        running = Running(_coordinates(outputs, session, emulator.url, engine.url), session, engine)
        stack.enter_context(_written(running.stack, coordinates or home / "stack.json"))
        yield running


@contextmanager
def _written(stack: Stack, coordinates: Path) -> Iterator[None]:
    """The file for scripts, as long as the stack is ready. It holds the API key: closed to other users."""
    state.make_private(coordinates.parent)
    # Anew: one that a killed run left may have been opened to others.
    coordinates.unlink(missing_ok=True)
    with state.open_private(coordinates, "w") as file:
        file.write(json.dumps(asdict(stack), indent=2) + "\n")
    try:
        yield
    finally:
        coordinates.unlink(missing_ok=True)


def _coordinates(outputs: dict[str, str], session: boto3.Session, aws_url: str, engine_url: str) -> Stack:
    gateway: Any = session.client("apigateway", endpoint_url=aws_url)
    key = gateway.get_api_key(apiKey=outputs["ApiKeyId"], includeValue=True)
    # On AWS the URL is an output; the emulator answers for every API under its own address.
    return Stack(
        apiUrl=f"{aws_url}/_aws/execute-api/{outputs['RestAPIId']}/{_stage_of(outputs)}",
        apiKey=key["value"],
        consoleUrl=f"{engine_url}/_engine/stats",
        awsEndpointUrl=aws_url,
        personalizeUrl=engine_url,
        bucket=outputs["EventsBucket"],
        streamName=outputs["EventStreamName"],
        # The output keeps the address of the run that made the queue; the port may be another now.
        quarantineQueueUrl=aws_url + urlsplit(outputs["QuarantineQueueUrl"]).path,
        campaignArn=CAMPAIGN_ARN,
        trackingId=TRACKING_ID,
    )


def _stage_of(outputs: dict[str, str]) -> str:
    """The API's stage: ``https://host/STAGE/recommendations``."""
    return outputs["RecommendationsUrl"].rsplit("/", 2)[1]


@contextmanager
def _only_one(lock: Path, coordinates: Path) -> Iterator[None]:
    """Hold the lock of a home folder. It goes with the process, however that ends."""
    with state.open_private(lock, "a+") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StackError(
                f"The local stack is already running. Use that one ({coordinates} tells where it is), or "
                "stop it first with Ctrl-C in its terminal."
            ) from error
        yield


def _database(home: Path, data: Path) -> Path:
    """Events belong to a catalogue, so every data folder has a database of its own."""
    return home / f"events-{hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:12]}.sqlite"


def sample(data: Path) -> list[str]:
    """Three items that one user of the data liked, to be shown as an example."""
    if data == catalogue.FOLDER:
        return ["frankenstein", "dracula", "the-turn-of-the-screw"]
    liked: dict[str, list[str]] = {}
    with (data / "interactions.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            items = liked.setdefault(row["USER_ID"], [])
            if row["ITEM_ID"] not in items:
                items.append(row["ITEM_ID"])
            if len(items) == 3:
                return items
    return max(liked.values(), key=len)


def welcome(stack: Stack, items: Sequence[str]) -> str:
    """What the person at the terminal needs: where it is, the key, and lines that work when pasted."""
    headers = ("-H", f"x-api-key: {stack.apiKey}", "-H", "content-type: application/json")

    def curl(route: str, body: dict[str, Any]) -> str:
        line = shell_line("curl", "-sw", r"\n", f"{stack.apiUrl}/{route}", *headers)
        return f"{line} \\\n  {shell_line('-d', json.dumps(body))}"

    ask = {"userId": "ann", "numResults": 5}
    events = [
        {"UserId": "ann", "SessionId": "s1", "EventType": "read", "Event": {"itemId": item}} for item in items
    ]
    return f"""
Ready.
  API      {stack.apiUrl}
  API key  {stack.apiKey}

Ask what a new reader might like, tell what she read, and ask again:

{curl("recommendations", ask)}

{curl("history", {"Events": events})}

sleep 2; {curl("recommendations", ask)}

The archive is in the bucket {stack.bucket}; engine counters: {stack.consoleUrl}
Ctrl-C stops everything. Requests and deliveries, as they happen:
"""


def main(arguments: list[str] | None = None) -> int:
    """Run until Ctrl-C or SIGTERM. Exit status 0 when stopped, 1 when it could not start."""
    options = _options().parse_args(arguments)
    forget_the_developers_own()
    stop = threading.Event()

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        # The first asks to stop; another one while stopping must not leave processes behind.
        if not stop.is_set():
            stop.set()
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        with running_stack(
            options.home or state.home(),
            coordinates=None if options.home else COORDINATES,
            data=options.data,
            emulator_port=options.port,
            engine_port=options.engine_port,
            report=lambda line: print(line, flush=True),
        ) as running:
            print(welcome(running.stack, sample(options.data)), flush=True)
            follow(running.client("logs"), _log_groups(running), lambda line: print(line, flush=True), stop)
    except KeyboardInterrupt:
        kept_in = options.home or state.home()
        print(f"\nStopped. Events, archive and API key are kept in {kept_in} for the next run.")
    except (StackError, state.StateError, EngineProcessError, EmulatorError, DeployError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def forget_the_developers_own() -> None:
    """Take the developer's AWS profile, endpoints and proxy out of this process: it talks to itself only."""
    for name in FOREIGN:
        os.environ.pop(name, None)
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = "127.0.0.1,localhost"


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; it takes 1 to 65535")
    return int(text)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make run", description="Run the whole system on this machine.")
    parser.add_argument("--data", type=Path, default=catalogue.FOLDER, help="folder with interactions.csv")
    parser.add_argument("--home", type=Path, help="folder that keeps the state, and stack.json with it")
    parser.add_argument(
        "--port", type=_port, default=EMULATOR_PORT, help="port of the API and the AWS services"
    )
    parser.add_argument(
        "--engine-port", type=_port, default=ENGINE_PORT, help="port of the Personalize engine"
    )
    return parser


def _log_groups(running: Running) -> list[str]:
    functions = running.client("cloudformation").list_stack_resources(StackName=STACK_NAME)
    return [
        f"/aws/lambda/{resource['PhysicalResourceId']}"
        for resource in functions["StackResourceSummaries"]
        if resource["ResourceType"] == "AWS::Lambda::Function"
    ]


if __name__ == "__main__":
    sys.exit(main())
