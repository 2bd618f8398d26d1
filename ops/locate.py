"""What of a stage is deployed, and where, whichever way it was deployed. Reads only.

one stack     the stack personalize-api-STAGE
stepwise      the stacks personalize-api-STAGE-pipeline and -access, and what ``chalice deploy`` made
local         the stack of ``make run`` on this machine, found through ``.local/stack.json``
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import boto3

from ops import local_stage
from ops.cloudformation.stacks import describe_stack, outputs_of
from ops.cloudformation.states import state_of
from ops.command_lines import make_line
from ops.errors import AwsError, DeployedOtherwiseError, NotDeployedError
from ops.stage import ChaliceRecord, Stage


class Flow(Enum):
    """The way in which a stage was deployed. The value is the make target that does it."""

    ONE_STACK = "deploy-stack"
    STEPWISE = "deploy"
    LOCAL = "run"


@dataclass(frozen=True)
class Deployment:
    """What one flow has deployed of a stage, whole or in part.

    ``stacks`` are the names of the stacks that exist. ``outputs`` and ``parameters`` are those of all of
    them: the URLs, the API key, bucket, stream, queue and topic. ``chalice`` has the ids of what
    ``chalice deploy`` made; None when Chalice has no record, or one that names only a part (then
    ``has_functions`` is still True).
    """

    region: str
    stage: str
    flow: Flow
    stacks: tuple[str, ...]
    outputs: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    has_functions: bool = False
    chalice: ChaliceRecord | None = None

    @property
    def is_whole(self) -> bool:
        """Whether everything is there: pipeline, functions and access."""
        needed = {"RecommendationsUrl", "EventStreamName"}
        return needed <= self.outputs.keys() and (self.flow is not Flow.STEPWISE or self.chalice is not None)

    @property
    def delivery_function(self) -> str:
        """Name of the function that delivers events."""
        return self.chalice.delivery_function if self.chalice else self.outputs["DeliverEventsName"]

    @property
    def api_function(self) -> str:
        """Name of the function that responds to requests."""
        return self.chalice.api_function if self.chalice else self.outputs["APIHandlerName"]

    @property
    def api_id(self) -> str:
        """Id of the REST API."""
        return self.chalice.api_id if self.chalice else self.outputs["RestAPIId"]

    @property
    def api_stage(self) -> str:
        """Stage of the REST API: ``https://HOST/STAGE/recommendations``."""
        return (
            self.chalice.api_stage if self.chalice else self.outputs["RecommendationsUrl"].rsplit("/", 2)[1]
        )

    def output(self, name: str) -> str:
        """Return an output. Raises NotDeployedError when no stack of the deployment has it."""
        if name not in self.outputs:
            where = f"The stack {' and '.join(self.stacks)}" if self.stacks else f"The stage {self.stage}"
            stage = {} if self.flow is Flow.LOCAL else {"STAGE": self.stage}
            raise NotDeployedError(
                f"{where} has no output {name}. Check that the stack belongs to personalize-api and that its "
                f"deployment has ended well, or deploy again ({make_line(self.flow.value, **stage)})."
            )
        return self.outputs[name]


def one_stack_name(stage: str) -> str:
    """Return the name of the one stack of a stage."""
    return f"personalize-api-{stage}"


def pipeline_name(stage: str) -> str:
    """Return the name of the stack of the step ``pipeline``."""
    return f"personalize-api-{stage}-pipeline"


def access_name(stage: str) -> str:
    """Return the name of the stack of the step ``access``."""
    return f"personalize-api-{stage}-access"


def log_group(function: str) -> str:
    """Return the name of a function's log group."""
    return f"/aws/lambda/{function}"


def find_one_stack(stage: Stage, session: boto3.Session, stack_name: str | None = None) -> Deployment | None:
    """Return the deployment as one stack; None when there is no such stack."""
    name = stack_name or one_stack_name(stage.name)
    stack = describe_stack(name, session)
    if not stack:
        return None
    return Deployment(
        session.region_name,
        stage.name,
        Flow.ONE_STACK,
        (name,),
        outputs_of(stack),
        _parameters_of(stack),
        has_functions=True,
    )


def find_stepwise(stage: Stage, session: boto3.Session) -> Deployment | None:
    """Return the stepwise deployment, whole or in part; None when no step has been taken."""
    names = (access_name(stage.name), pipeline_name(stage.name))
    stacks = {name: found for name in names if (found := describe_stack(name, session))}
    has_functions, record = stage.has_chalice_record(), None
    if not stacks and not has_functions:
        return None
    if has_functions:
        with suppress(NotDeployedError):
            record = stage.chalice_record()
    outputs: dict[str, str] = {}
    parameters: dict[str, str] = {}
    for stack in stacks.values():
        outputs |= outputs_of(stack)
        parameters |= _parameters_of(stack)
    return Deployment(
        session.region_name,
        stage.name,
        Flow.STEPWISE,
        tuple(stacks),
        outputs,
        parameters,
        has_functions,
        record,
    )


def find_all(stage: Stage, session: boto3.Session, stack_name: str | None = None) -> list[Deployment]:
    """Return what each flow has deployed of a stage; empty when nothing is deployed.

    A ``stack_name`` names one stack, and nothing else is looked for.
    """
    stage.variables()  # A stage that config.json does not have is misspelt, and not an empty one.
    if stage.name == local_stage.STAGE:
        return [_find_local(stage, session)]
    found = [find_one_stack(stage, session, stack_name)]
    if not stack_name:
        found.append(find_stepwise(stage, session))
    return [deployment for deployment in found if deployment]


def locate(stage: Stage, session: boto3.Session, stack_name: str | None = None) -> Deployment:
    """Return the deployment of a stage: the whole one, if there are two. Raises NotDeployedError for none."""
    found = find_all(stage, session, stack_name)
    if found:
        return next((deployment for deployment in found if deployment.is_whole), found[-1])
    if stack_name:
        raise NotDeployedError(f"The stack {stack_name} does not exist in {session.region_name}.")
    raise _not_deployed(stage, session)


def locate_whole(stage: Stage, session: boto3.Session, stack_name: str | None = None) -> Deployment:
    """Return the deployment of a stage. Raises NotDeployedError when a part of it is missing."""
    deployment = locate(stage, session, stack_name)
    if not deployment.is_whole:
        if "RecommendationsUrl" in deployment.outputs:
            stage.chalice_record()  # Only this is missing, and the error says what to do about it.
        raise _not_deployed(stage, session)
    return deployment


def check_not_one_stack(stage: Stage, session: boto3.Session) -> None:
    """Raise DeployedOtherwiseError for a stage that is deployed as one stack."""
    found = find_one_stack(stage, session)
    if found:
        raise _deployed_otherwise(stage, f"as the one stack {found.stacks[0]}", "deploy-stack")


def check_not_stepwise(stage: Stage, session: boto3.Session) -> None:
    """Raise DeployedOtherwiseError for a stage of which the stepwise flow has made at least the pipeline."""
    found = find_stepwise(stage, session)
    if found and pipeline_name(stage.name) in found.stacks:
        raise _deployed_otherwise(stage, "step by step", "deploy")


def _deployed_otherwise(stage: Stage, way: str, target: str) -> DeployedOtherwiseError:
    return DeployedOtherwiseError(
        f"The stage {stage.name} is deployed already, {way}. Update it "
        f"({make_line(target, STAGE=stage.name)}), or remove it first "
        f"({make_line('destroy', STAGE=stage.name)})."
    )


def _find_local(stage: Stage, session: boto3.Session) -> Deployment:
    coordinates = local_stage.read_coordinates(stage.project_dir)
    try:
        stack = describe_stack(local_stage.STACK_NAME, session)
    except AwsError as error:
        raise NotDeployedError(
            f"The local stack does not respond at {coordinates.aws_endpoint_url}. Start it with 'make run' "
            "in another terminal."
        ) from error
    # The stack keeps the addresses of AWS, and of the run that made it; the file has those of this run.
    here = {
        "RecommendationsUrl": f"{coordinates.api_url}/recommendations",
        "HistoryUrl": f"{coordinates.api_url}/history",
        "EventsBucket": coordinates.bucket,
        "EventStreamName": coordinates.stream_name,
        "QuarantineQueueUrl": coordinates.quarantine_queue_url,
    }
    return Deployment(
        session.region_name,
        stage.name,
        Flow.LOCAL,
        (local_stage.STACK_NAME,),
        {**outputs_of(stack), **here},
        _parameters_of(stack),
        has_functions=True,
    )


def _parameters_of(stack: Mapping[str, Any]) -> dict[str, str]:
    """Return a stack's parameters by name; none of a stack that was never made, which nobody decided on."""
    if state_of(stack.get("StackStatus", "")).is_never_made:
        return {}
    return {p["ParameterKey"]: p["ParameterValue"] for p in stack.get("Parameters", [])}


def _not_deployed(stage: Stage, session: boto3.Session) -> NotDeployedError:
    return NotDeployedError(
        f"The stage {stage.name} is not deployed in {session.region_name}, or not whole. Deploy it with "
        f"{make_line('deploy', STAGE=stage.name)} or {make_line('deploy-stack', STAGE=stage.name)}."
    )
