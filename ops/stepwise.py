"""Deploying in three steps around 'chalice deploy': the pipeline, the application, the access to it.

    deploy_pipeline   pipeline.yaml as a stack; its outputs into .chalice/config.json for Chalice
    deploy_functions  the chalice command
    deploy_access     access.yaml as a stack, for the ids of what Chalice made; then what
                      CloudFormation cannot do for resources that are not its own

Each works alone and may be repeated. The one-stack flow (stack.py) needs none of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import boto3
from botocore.exceptions import ClientError

from ops.chalice_command import run_chalice
from ops.cloudformation.stacks import Confirm, Report, deploy_template, describe_stack
from ops.command_lines import shell_line
from ops.errors import StackError, in_sentences
from ops.packaging import bundle, merge
from ops.packaging.merge import Document
from ops.parameters import check_region
from ops.stage import Stage

RECORDED = {
    "EVENT_STREAM_NAME": "EventStreamName",
    "QUARANTINE_QUEUE_URL": "QuarantineQueueUrl",
    "EVENTS_BUCKET_NAME": "EventsBucket",
}
"""Variable of the functions: output of the pipeline's stack."""

PERSONALIZE = {"CAMPAIGN_ARN": "CampaignArn", "TRACKING_ID": "EventTrackerId"}
"""Variable of the functions: the parameter that says it in the one-stack flow."""

# What the event source of the one-stack flow has, and is right for a function that raises to have its batch
# delivered again, which is how it reports failures here. Not among them: FunctionResponseTypes, which Chalice
# would not know to keep beside REPORT_BATCH_ITEM_FAILURES; and bisection, because raising is no sign of a bad
# record here, and would only cut every batch that Personalize throttles into ever smaller calls.
TUNED = ("MaximumRecordAgeInSeconds", "MaximumRetryAttempts")


def stack_name(stage: str) -> str:
    """Of the one-stack flow."""
    return f"personalize-api-{stage}"


def pipeline_name(stage: str) -> str:
    return f"personalize-api-{stage}-pipeline"


def access_name(stage: str) -> str:
    return f"personalize-api-{stage}-access"


def read_template(project_dir: Path, name: str) -> Document:
    return merge.load((project_dir / "resources" / name).read_text(encoding="utf-8"))


def pipeline_parameters(project_dir: Path) -> dict[str, Document]:
    """What the first step takes: the pipeline's own, and those of Personalize, under the one-stack names."""
    settings = read_template(project_dir, "one-stack.yaml")["Parameters"]
    own = read_template(project_dir, "pipeline.yaml")["Parameters"]
    return {**own, **{name: settings[name] for name in PERSONALIZE.values()}}


def check_stage(stage: Stage) -> None:
    """StackError for a stage whose functions would look for AWS on this machine."""
    if any(name.startswith("AWS_ENDPOINT_URL") for name in stage.variables()):
        raise StackError(
            f"The stage {stage.name} is for 'chalice local': its functions look for AWS on this machine. "
            "Deploy another one, for example with STAGE=dev."
        )


def kept_parameters(stage: Stage, stack: Mapping[str, Any]) -> set[str]:
    """Parameters that have a value already: in the stack as it stands, or in config.json."""
    kept = {parameter["ParameterKey"] for parameter in stack.get("Parameters", [])}
    return kept | {parameter for variable, parameter in PERSONALIZE.items() if stage.settled(variable)}


def deploy_pipeline(
    stage: Stage,
    values: Mapping[str, str],
    session: boto3.Session,
    report: Report,
    confirm: Confirm,
) -> dict[str, str]:
    """Create or update the pipeline's stack and record what the functions need of it. Returns its outputs."""
    variables = {
        variable: values[parameter] for variable, parameter in PERSONALIZE.items() if parameter in values
    }
    check_region(variables.get("CAMPAIGN_ARN") or stage.variables()["CAMPAIGN_ARN"], session.region_name)
    _check_bucket_name(values.get("EventsBucketName", ""))
    outputs = deploy_template(
        read_template(stage.project_dir, "pipeline.yaml"),
        pipeline_name(stage.name),
        {name: value for name, value in values.items() if name not in PERSONALIZE.values()},
        session,
        report,
        confirm=confirm,
        tags=tags(stage.name),
    )
    variables |= {variable: outputs[output] for variable, output in RECORDED.items()}
    changed = stage.record(variables)
    if changed:
        report(f"Recorded in .chalice/config.json, stage {stage.name}: {', '.join(changed)}")
    return outputs


def _check_bucket_name(name: str) -> None:
    if name and not name.startswith("personalize-api-"):
        raise StackError(
            f"EventsBucketName is {name!r}; with 'chalice deploy' it must begin with personalize-api-, "
            "because the policies in .chalice/ name the bucket by that prefix. The one-stack flow takes any."
        )


def deploy_functions(
    stage: Stage, session: boto3.Session, profile: str | None, report: Report, confirm: Confirm
) -> None:
    """Run 'chalice deploy', with the packages of requirements.txt that packaging has downloaded."""
    check_stage(stage)
    for variable, parameter in PERSONALIZE.items():
        if not stage.settled(variable):
            raise StackError(
                f"{variable} of the stage {stage.name} is not set. Run the step 'pipeline' first, with "
                f"--parameter {parameter}=..."
            )
    if not confirm(_chalice_plan(stage)):
        raise StackError("Nothing was changed.")
    wheels = bundle.download_wheels(stage.project_dir, stage.project_dir / "build", report)
    run_chalice(
        stage.project_dir,
        ["deploy", "--stage", stage.name, *(["--profile", profile] if profile else [])],
        {"AWS_DEFAULT_REGION": session.region_name, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)},
        report,
    )


def _chalice_plan(stage: Stage) -> list[str]:
    mark = "~" if stage.has_deployed() else "+"
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


def deploy_access(
    stage: Stage, values: Mapping[str, str], session: boto3.Session, report: Report, confirm: Confirm
) -> dict[str, str]:
    """Create or update the access stack for what Chalice made, and put it into force. Returns all outputs."""
    made = stage.deployed()
    pipeline = outputs_of(describe_stack(pipeline_name(stage.name), session))
    if "AlarmTopicArn" not in pipeline:
        raise StackError(
            f"There is no stack {pipeline_name(stage.name)} in {session.region_name}. Run the step "
            "'pipeline' first, or 'make deploy', which does all steps."
        )
    with in_sentences():
        _check_api(session, made.api_id, stage)
    variables = stage.variables()
    known = {
        "RestAPI": made.api_id,
        "RestAPIapiStage": made.api_stage,
        "DeliverEvents": made.delivery_function,
        "AlarmTopic": pipeline["AlarmTopicArn"],
        "ApiName": stage.app_name(),
        "ServiceName": variables.get("SERVICE_NAME") or "personalize-api",
        "AllowedOrigin": variables.get("ALLOWED_ORIGIN") or "*",
    }
    template = read_template(stage.project_dir, "access.yaml")
    outputs = deploy_template(
        template,
        access_name(stage.name),
        {**values, **known},
        session,
        report,
        confirm=confirm,
        tags=tags(stage.name),
    )
    with in_sentences():
        _put_into_force(session, template, known)
        _keep_logs(cast(Any, session).client("logs"), made.api_function, stage.log_retention_in_days())
        _tune(session, made.event_source, stage.project_dir, pipeline["EventsBucket"])
    report("The API is deployed once more, with its error responses; the event source has its limits.")
    return {**pipeline, **outputs}


def access_parameters(project_dir: Path) -> dict[str, Document]:
    """Those of the third step that are anybody's to choose: throttle and quota."""
    declared = read_template(project_dir, "access.yaml")["Parameters"]
    return {name: declared[name] for name in ("ThrottleRateLimit", "ThrottleBurstLimit", "MonthlyQuota")}


def _check_api(session: boto3.Session, api_id: str, stage: Stage) -> None:
    gateway = cast(Any, session).client("apigateway")
    try:
        gateway.get_rest_api(restApiId=api_id)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NotFoundException":
            raise
        raise StackError(
            f".chalice/deployed/{stage.name}.json names the API {api_id}, which is not in this account and "
            f"region ({session.region_name}). Check --profile and --region, or run "
            f"'{shell_line('chalice', 'deploy', '--stage', stage.name)}' again."
        ) from error


def gateway_responses(template: Document, known: Mapping[str, str]) -> dict[str, Document]:
    """The gateway's own responses that access.yaml defines, by kind, as PutGatewayResponse takes them."""
    bound = merge.bind(template, dict(known))
    definition = merge.gateway_responses_into_definition(bound)["Resources"][merge.API]["Properties"]
    return cast("dict[str, Document]", definition["DefinitionBody"]["x-amazon-apigateway-gateway-responses"])


def _put_into_force(session: boto3.Session, template: Document, known: Mapping[str, str]) -> None:
    """Deploy the API once more: the gateway answers with the responses the API had when it was deployed.

    They are put first, though the stack has them, because each 'chalice deploy' overwrites the API's whole
    definition (PutRestApi) and takes them away, as in github.com/aws/serverless-application-model/issues/390,
    and a stack that has not changed would not put them again.
    """
    gateway = cast(Any, session).client("apigateway")
    for kind, response in gateway_responses(template, known).items():
        gateway.put_gateway_response(restApiId=known["RestAPI"], responseType=kind, **response)
    gateway.create_deployment(restApiId=known["RestAPI"], stageName=known["RestAPIapiStage"])


def log_group(function: str) -> str:
    return f"/aws/lambda/{function}"


def _keep_logs(logs: Any, function: str, days: int) -> None:
    """Make the log group of the API's function, which may not make its own.

    Chalice 1.34 makes one of another name: that of the handler, which is not in the name of this function.
    """
    with suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=log_group(function))
    logs.put_retention_policy(logGroupName=log_group(function), retentionInDays=days)


def event_source_settings(project_dir: Path) -> Document:
    """The event source's properties in the one-stack flow."""
    function = read_template(project_dir, "one-stack.yaml")["Resources"][merge.EVENT_CONSUMER]
    [source] = function["Properties"]["Events"].values()
    return cast(Document, source["Properties"])


def _tune(session: boto3.Session, event_source: str, project_dir: Path, bucket: str) -> None:
    """Without these limits a batch that never succeeds is tried until the stream forgets it.

    Chalice updates only batch size and window, so they stay.
    """
    settings = event_source_settings(project_dir)
    partition = "aws-cn" if session.region_name.startswith("cn-") else "aws"
    cast(Any, session).client("lambda").update_event_source_mapping(
        UUID=event_source,
        DestinationConfig={"OnFailure": {"Destination": f"arn:{partition}:s3:::{bucket}"}},
        **{name: settings[name] for name in TUNED},
    )


def tags(stage: str) -> dict[str, str]:
    return {"project": "personalize-api", "stage": stage}


def outputs_of(stack: Mapping[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
