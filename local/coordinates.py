"""The file ``stack.json``: the addresses, names and API key of a running stack, for scripts and tests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from local import state
from local.personalize import CAMPAIGN_ARN, TRACKING_ID

FILE_NAME = "stack.json"
PROJECT_FILE = state.PROJECT / ".local" / FILE_NAME
"""The file that ``make run`` writes. With ``--home`` it is in that folder, so that no two stacks share it."""


@dataclass(frozen=True)
class Stack:
    """The members of ``stack.json``. Scripts outside this repository read these names: keep them."""

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


def to_stack(
    outputs: Mapping[str, str], *, api_key: str, aws_url: str, engine_url: str, console_url: str
) -> Stack:
    """Return the coordinates of a deployed stack.

    ``outputs`` are those of the CloudFormation stack. ``aws_url`` is the emulator's address,
    ``engine_url`` the engine's, ``console_url`` the console's.
    """
    # ``RecommendationsUrl`` is https://HOST/STAGE/recommendations. That host exists on AWS only: the emulator
    # serves every API under its own address.
    api_stage = outputs["RecommendationsUrl"].rsplit("/", 2)[1]
    return Stack(
        apiUrl=f"{aws_url}/_aws/execute-api/{outputs['RestAPIId']}/{api_stage}",
        apiKey=api_key,
        consoleUrl=console_url,
        awsEndpointUrl=aws_url,
        personalizeUrl=engine_url,
        bucket=outputs["EventsBucket"],
        streamName=outputs["EventStreamName"],
        # The output has the port of the run that created the queue. This run may have another one.
        quarantineQueueUrl=aws_url + urlsplit(outputs["QuarantineQueueUrl"]).path,
        campaignArn=CAMPAIGN_ARN,
        trackingId=TRACKING_ID,
    )


@contextmanager
def written(stack: Stack, file: Path) -> Iterator[None]:
    """Write the file, for its owner only, and remove it at the end of the with statement."""
    try:
        state.make_private(file.parent)
        # A file that a killed run left may be readable by others: replace it.
        file.unlink(missing_ok=True)
        with state.open_private(file, "w") as opened:
            opened.write(json.dumps(asdict(stack), indent=2) + "\n")
    except OSError as error:
        raise state.unusable(error, file) from error
    try:
        yield
    finally:
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise state.unusable(error, file) from error
