"""The last step of the stepwise flow: the access stack, for the ids of what Chalice made.

CloudFormation does not change resources that are not its own. What those need besides is done here by calls:
the API is deployed once more, its stage is throttled, the log group of its function is made, and the event
source is configured.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, cast

import boto3
from botocore.exceptions import ClientError

from ops.cloudformation.stacks import deploy_template
from ops.command_lines import shell_line
from ops.errors import NotDeployedError, readable_aws_errors
from ops.event_source import EventSource
from ops.locate import Deployment, access_name, find_stepwise, log_group, pipeline_name
from ops.packaging import merge, throttles
from ops.packaging.merge import Document
from ops.packaging.templates import Templates
from ops.stage import ChaliceRecord, Stage
from ops.stepwise import check_stage, tags
from ops.terminal import Terminal

CONFIGURED = ("MaximumRecordAgeInSeconds", "MaximumRetryAttempts")
"""Settings of the one stack's event source that the stepwise flow has too.

A function that raises to have its batch delivered again needs these. Not among them: FunctionResponseTypes,
which Chalice would not keep beside REPORT_BATCH_ITEM_FAILURES; and bisection, because raising is no sign of a
bad record here, and bisection would cut every batch that Personalize throttles into smaller calls.
"""

OF_PIPELINE = {
    "EventStream": "EventStreamName",
    "QuarantineQueue": "QuarantineQueueUrl",
    "Archive": "ArchiveName",
    "AlarmTopic": "AlarmTopicArn",
    "QuarantineAlarm": "QuarantineAlarmName",
    "ArchiveBehindAlarm": "ArchiveBehindAlarmName",
    "QueryWorkGroup": "QueryWorkGroup",
}
"""Parameter of access.yaml: output of the pipeline's stack. An earlier version had fewer of them."""


def deploy_access(
    stage: Stage, values: Mapping[str, str], session: boto3.Session, templates: Templates, terminal: Terminal
) -> dict[str, str]:
    """Create or update the access stack and bring it into effect. Return the outputs of both stacks."""
    check_stage(stage)
    made = stage.chalice_record()
    deployment = find_stepwise(stage, session)
    if deployment is None or not deployment.outputs.keys() >= {*OF_PIPELINE.values()}:
        raise NotDeployedError(
            f"There is no stack {pipeline_name(stage.name)} of this version in {session.region_name}. Run "
            "the step 'pipeline' first, or 'make deploy', which does all steps."
        )
    with readable_aws_errors():
        _check_api(session, made.api_id, stage)
    known = _known_values(stage, made, deployment)
    throttle_values = throttles.effective_values(templates.access, {**deployment.parameters, **values})
    throttles.check_stage_throttle(templates.access, throttle_values)
    outputs = deploy_template(
        templates.access,
        access_name(stage.name),
        {**values, **known},
        session,
        terminal.report,
        confirm=terminal.confirm,
        tags=tags(stage.name),
    )
    with readable_aws_errors():
        redeploy_api_stage(session, templates.access, known)
        throttle_api_stage(session, made, throttle_values)
        _keep_logs(cast(Any, session).client("logs"), made.api_function, stage.log_retention_in_days())
        settings = event_source_settings(
            templates.event_source_settings(), deployment.outputs["EventsBucket"], session.region_name
        )
        terminal.report("Waiting for the event source, which Lambda may still be updating")
        EventSource(cast(Any, session).client("lambda"), made.event_source).configure(settings)
    terminal.report(
        "The API is deployed once more, with its error responses. Its stage has throttles, and the event "
        "source has its limits."
    )
    return {**deployment.outputs, **outputs}


def gateway_responses(access: Document, known: Mapping[str, str]) -> dict[str, Document]:
    """Return the gateway's own responses of access.yaml by type, as PutGatewayResponse takes them."""
    bound = merge.bind(access, dict(known))
    definition = merge.gateway_responses_into_definition(bound)["Resources"][merge.API]["Properties"]
    return cast("dict[str, Document]", definition["DefinitionBody"]["x-amazon-apigateway-gateway-responses"])


def redeploy_api_stage(session: boto3.Session, access: Document, known: Mapping[str, str]) -> None:
    """Put the gateway's own responses and deploy the API: a response counts from the next deployment on.

    The stack has the responses, but each ``chalice deploy`` overwrites the API's whole definition
    (PutRestApi) and removes them, as in github.com/aws/serverless-application-model/issues/390, and a stack
    that has not changed does not put them again.
    """
    gateway = cast(Any, session).client("apigateway")
    for kind, response in gateway_responses(access, known).items():
        gateway.put_gateway_response(restApiId=known["RestAPI"], responseType=kind, **response)
    gateway.create_deployment(restApiId=known["RestAPI"], stageName=known["RestAPIapiStage"])


def throttle_api_stage(session: boto3.Session, made: ChaliceRecord, values: Mapping[str, str]) -> None:
    """Set the throttles of the stage, for every method and for preflights. Chalice does not change them."""
    gateway = cast(Any, session).client("apigateway")
    pages = gateway.get_paginator("get_resources").paginate(restApiId=made.api_id)
    resources = [resource for page in pages for resource in page["items"]]
    gateway.update_stage(
        restApiId=made.api_id,
        stageName=made.api_stage,
        patchOperations=throttles.stage_patch(resources, values),
    )


def event_source_settings(of_one_stack: Mapping[str, Any], bucket: str, region: str) -> dict[str, Any]:
    """Return age, retries and destination: without them a batch is tried until the stream drops it. Pure.

    ``of_one_stack`` are the settings of the one stack. Chalice updates only batch size and window, so these
    stay.
    """
    partition = "aws-cn" if region.startswith("cn-") else "aws"
    destination = {"OnFailure": {"Destination": f"arn:{partition}:s3:::{bucket}"}}
    return {"DestinationConfig": destination, **{name: of_one_stack[name] for name in CONFIGURED}}


def _known_values(stage: Stage, made: ChaliceRecord, deployment: Deployment) -> dict[str, str]:
    """Return the parameters of access.yaml that carry what the other steps made, or were told."""
    variables = stage.variables()
    return {
        "RestAPI": made.api_id,
        "RestAPIapiStage": made.api_stage,
        "APIHandler": made.api_function,
        "DeliverEvents": made.delivery_function,
        **{parameter: deployment.outputs[output] for parameter, output in OF_PIPELINE.items()},
        "ArchiveStoppedAlarm": deployment.outputs.get("ArchiveStoppedAlarmName", ""),
        "Emulated": deployment.parameters.get("Emulated", "false"),
        "ApiName": stage.app_name(),
        "ServiceName": variables.get("SERVICE_NAME") or "personalize-api",
        "AllowedOrigin": stage.fixed_origin(),
    }


def _check_api(session: boto3.Session, api_id: str, stage: Stage) -> None:
    gateway = cast(Any, session).client("apigateway")
    try:
        gateway.get_rest_api(restApiId=api_id)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NotFoundException":
            raise
        raise NotDeployedError(
            f".chalice/deployed/{stage.name}.json names the API {api_id}, which is not in this account and "
            f"region ({session.region_name}). Check --profile and --region, or run "
            f"'{shell_line('chalice', 'deploy', '--stage', stage.name)}' again."
        ) from error


def _keep_logs(logs: Any, function: str, days: int) -> None:
    """Make the log group of the API's function, which has no right to make it.

    Chalice 1.34 makes one of another name: that of the handler, which is not in the name of this function.
    """
    with suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=log_group(function))
    logs.put_retention_policy(logGroupName=log_group(function), retentionInDays=days)
