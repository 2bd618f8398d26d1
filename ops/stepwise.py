"""The stepwise flow: the pipeline's stack, ``chalice deploy``, and the access to what Chalice made.

    deploy_pipeline   pipeline.yaml as a stack; its outputs are recorded in .chalice/config.json
    deploy_functions  the chalice command
    deploy_access     access.yaml as a stack (access.py)

Each step works alone and may be repeated.
"""

from __future__ import annotations

from collections.abc import Mapping

import boto3

from ops.archive_bucket import find_takeover
from ops.chalice_command import run_chalice
from ops.cloudformation.operations import NO_PRECAUTIONS
from ops.cloudformation.stacks import deploy_template
from ops.command_lines import shell_line
from ops.errors import DeclinedError, InputError, NotDeployedError
from ops.failure_reports import check_stepwise_reports
from ops.locate import Deployment, pipeline_name
from ops.packaging.templates import Templates
from ops.packaging.wheels import download_wheels
from ops.parameters import check_bucket_name, check_variables
from ops.stage import Stage
from ops.terminal import Terminal

RECORDED = {
    "EVENT_STREAM_NAME": "EventStreamName",
    "QUARANTINE_QUEUE_URL": "QuarantineQueueUrl",
    "EVENTS_BUCKET_NAME": "EventsBucket",
}
"""Variable of the functions: output of the pipeline's stack."""


def tags(stage: str) -> dict[str, str]:
    """Return the tags of every stack of a stage."""
    return {"project": "personalize-api", "stage": stage}


def check_stage(stage: Stage) -> None:
    """Raise InputError for a stage whose functions would look for AWS here, or lose events.

    Raises PackagingError for a variable that they would refuse.
    """
    stage.check_variables()
    variables = stage.variables()
    check_stepwise_reports(variables)
    if any(name.startswith("AWS_ENDPOINT_URL") for name in variables):
        raise InputError(
            f"The stage {stage.name} is for 'chalice local': its functions look for AWS on this machine. "
            "Deploy another one, for example with STAGE=dev."
        )


def known_parameters(stage: Stage, of_stack: Mapping[str, str], templates: Templates) -> set[str]:
    """Return the parameters that have a value already: in the pipeline's stack, or in config.json."""
    of_functions = templates.function_parameters().items()
    return set(of_stack) | {parameter for variable, parameter in of_functions if stage.has_value(variable)}


def deploy_pipeline(
    stage: Stage,
    values: Mapping[str, str],
    session: boto3.Session,
    templates: Templates,
    terminal: Terminal,
    *,
    deployment: Deployment | None,
) -> None:
    """Create or update the pipeline's stack, and record what the functions need of it.

    ``deployment`` is what there is of the stage.
    """
    parameters = templates.function_parameters()
    variables = {
        variable: values[parameter] for variable, parameter in parameters.items() if parameter in values
    }
    check_variables({**stage.variables(), **variables}, parameters, session.region_name)
    check_bucket_name(values.get("EventsBucketName", ""))
    takeover = find_takeover(deployment, values, session, terminal)
    outputs = deploy_template(
        takeover.template(templates.pipeline) if takeover else templates.pipeline,
        pipeline_name(stage.name),
        {name: value for name, value in values.items() if name not in parameters.values()},
        session,
        terminal.report,
        confirm=terminal.confirm,
        precautions=takeover.precautions() if takeover else NO_PRECAUTIONS,
        tags=tags(stage.name),
    )
    variables |= {variable: outputs[output] for variable, output in RECORDED.items()}
    changed = stage.record(variables)
    if changed:
        terminal.report(f"Recorded in .chalice/config.json, stage {stage.name}: {', '.join(changed)}")


def deploy_functions(
    stage: Stage, session: boto3.Session, profile: str | None, templates: Templates, terminal: Terminal
) -> None:
    """Run ``chalice deploy`` with the packages that packaging has downloaded.

    Raises DeclinedError, NotDeployedError before the step ``pipeline``, and StackError when Chalice fails.
    """
    check_stage(stage)
    definitions = templates.pipeline_parameters()
    for variable, parameter in templates.function_parameters().items():
        if "Default" not in definitions[parameter] and not stage.has_value(variable):
            raise NotDeployedError(
                f"{variable} of the stage {stage.name} is not set. Run the step 'pipeline' first, with "
                f"--parameter {parameter}=..."
            )
    if not terminal.confirm(_chalice_plan(stage)):
        raise DeclinedError
    wheels = download_wheels(stage.project_dir, stage.project_dir / "build", terminal.report)
    run_chalice(
        stage.project_dir,
        ["deploy", "--stage", stage.name, *(["--profile", profile] if profile else [])],
        {"AWS_DEFAULT_REGION": session.region_name, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)},
        terminal.report,
    )


def _chalice_plan(stage: Stage) -> list[str]:
    mark = "~" if stage.has_chalice_record() else "+"
    name = f"{stage.app_name()}-{stage.name}"
    made = {
        "functions and their roles": f"{name}, {name}-deliver_events",
        "REST API": stage.app_name(),
        "event source": stage.variables()["EVENT_STREAM_NAME"],
    }
    command = shell_line("chalice", "deploy", "--stage", stage.name)
    return [
        *(f"  {mark} {kind:<40} {what}" for kind, what in made.items()),
        f"Plan: '{command}' {'changes' if mark == '~' else 'adds'} these.",
    ]
