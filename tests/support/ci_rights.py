"""The rights that CI needs: those of the calls of ``ops``, and those of CloudFormation for each resource.

The rights of CloudFormation are those of the types' handlers, as AWS publishes them in its resource schemas.
cfn-lint brings the schemas along.
"""

import ast
import json
import re
from functools import cache
from pathlib import Path

import botocore.session
import cfnlint
from botocore import xform_name

from tests.unit.test_layout import MODULES, imports

SCHEMAS = Path(cfnlint.__file__).parent / "data" / "schemas"
SERVICES = (
    "apigateway",
    "cloudformation",
    "kinesis",
    "lambda",
    "logs",
    "personalize",
    "s3",
    "sns",
    "sqs",
    "sts",
)
STEPWISE = {"ops.access", "ops.stepwise", "ops.chalice_command"}
"""Modules of the other flow. Its calls are not those of CI."""

ACTION_OF = {
    ("s3", "HeadBucket"): "s3:ListBucket",
    ("s3", "HeadObject"): "s3:GetObject",
    ("s3", "PutPublicAccessBlock"): "s3:PutBucketPublicAccessBlock",
}
"""Operations whose right has another name (Service Authorization Reference, Amazon S3)."""

NOT_GIVEN = {
    # Removing a stage is for a person. The next change set uses the empty stack of one that failed.
    "cloudformation:DeleteStack",
    "s3:DeleteObjects",
    "s3:ListObjectVersions",
}

UNUSED = {
    "AWS::ApiGateway::RestApi": "apigateway:UpdateRestApiPolicy iam:.* s3:GetObject",
    # Of workgroups for Spark and with a key of one's own. Results are written with the rights of who asks.
    "AWS::Athena::WorkGroup": "(iam|kms|s3):.*",
    "AWS::Glue::Database": "glue:.*Connection",
    "AWS::Glue::Table": "glue:(GetSchemaVersion|PassConnection) iam:PassRole "
    "lakeformation:(CreateTable|GetDataAccess) s3:.*",
    "AWS::IAM::Role": "iam:(Attach|Detach)RolePolicy iam:DeleteRolePermissionsBoundary iam:UpdateRole.*",
    "AWS::Kinesis::Stream": "kinesis:(En|Dis)ableEnhancedMonitoring kinesis:StopStreamEncryption "
    "kinesis:Update(MaxRecordSize|StreamWarmThroughput|StreamRecordDistributionStrategy)",
    "AWS::KinesisFirehose::DeliveryStream": "kms:.* firehose:(Start|Stop)DeliveryStreamEncryption",
    "AWS::Lambda::EventSourceMapping": "kms:.*",
    "AWS::Lambda::Function": "(ec2|elasticfilesystem|kms|s3files):.* "
    "lambda:.*(Concurrency|CodeSigningConfig) "
    "lambda:(AssociateRuntimeAlias|GetLayerVersion|PassCapacityProvider|PublishVersion) "
    "lambda:Put(FunctionRecursionConfig|FunctionScalingConfig|RuntimeManagementConfig)",
    "AWS::Logs::LogGroup": "(firehose|s3):.* logs:(Associate|Disassociate)KmsKey logs:CreateLogDelivery "
    "logs:(Put|Delete)(BearerTokenAuthentication|DataProtectionPolicy|IndexPolicy|ResourcePolicy) "
    "logs:PutLogGroupDeletionProtection",
    "AWS::S3::Bucket": "s3tables:.* iam:PassRole s3:.*MetadataTableConfiguration s3:UpdateBucketMetadata.* "
    "s3:(Put|Delete).*(Abac|Accelerate|Analytics|Cors|CORS|IntelligentTiering|Inventory|Logging|Metrics|"
    "Notification|ObjectLock|Replication|Website).* s3:Put(Bucket|Object)Acl s3:DeleteObject "
    "s3:DeleteBucket(Encryption|Lifecycle)",
    "AWS::SNS::Subscription": "iam:.*",
    "AWS::SNS::Topic": "iam:.* sns:PutDataProtectionPolicy",
}
"""Rights of the handlers that go with properties which the template does not have."""

NAMES = {
    "athena": "arn:aws:athena:eu-west-1:111122223333:workgroup/personalize-api-prod",
    "apigateway": "arn:aws:apigateway:eu-west-1::/restapis/x arn:aws:apigateway:eu-west-1::/restapis "
    "arn:aws:apigateway:eu-west-1::/apikeys arn:aws:apigateway:eu-west-1::/usageplans/x/keys",
    "cloudformation": "arn:aws:cloudformation:eu-west-1:111122223333:stack/personalize-api-prod/x",
    "cloudwatch": "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:personalize-api-prod-QuarantineAlarm-X",
    "firehose": "arn:aws:firehose:eu-west-1:111122223333:deliverystream/personalize-api-prod-Archive-X",
    "glue": "arn:aws:glue:eu-west-1:111122223333:catalog "
    "arn:aws:glue:eu-west-1:111122223333:database/personalize_api_prod "
    "arn:aws:glue:eu-west-1:111122223333:table/personalize_api_prod/events",
    "iam": "arn:aws:iam::111122223333:role/personalize-api-prod-ArchiveRole-X",
    "kinesis": "arn:aws:kinesis:eu-west-1:111122223333:stream/personalize-api-prod-events",
    "kms": "arn:aws:kms:eu-west-1:111122223333:key/x",
    "lambda": "arn:aws:lambda:eu-west-1:111122223333:function:personalize-api-prod-DeliverEvents-X",
    "logs": "arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/personalize-api-prod-APIHandler-X:* "
    "arn:aws:logs:eu-west-1:111122223333:log-group:personalize-api-prod-ArchiveLogGroup-X:*",
    "personalize": "arn:aws:personalize:eu-west-1:111122223333:campaign/shop",
    "s3": "arn:aws:s3:::personalize-api-prod-eventsbucket-x",
    "sns": "arn:aws:sns:eu-west-1:111122223333:personalize-api-prod-AlarmTopic-X",
    "sqs": "arn:aws:sqs:eu-west-1:111122223333:personalize-api-prod-quarantine",
}
"""What the resources of a service are called in a stage. Every right has to hold for all of them."""

SPECIAL_NAMES = {
    "athena": "arn:aws:athena:eu-west-1:111122223333:workgroup/personalize-api-prod",
    "cloudwatch:.*Dashboards?": "arn:aws:cloudwatch::111122223333:dashboard/personalize-api-prod",
    "lambda:.*EventSourceMapping": "arn:aws:lambda:eu-west-1:111122223333:event-source-mapping:x",
    "lambda:ListTags": "arn:aws:lambda:eu-west-1:111122223333:event-source-mapping:x",
    "lambda:(Tag|Untag)Resource": NAMES["lambda"]
    + " arn:aws:lambda:eu-west-1:111122223333:event-source-mapping:x",
    "kms:CreateKey|lakeformation:.*|logs:Describe(LogGroups|ResourcePolicies)|sts:.*": "*",
    ".*:List(EventSourceMappings|EventTrackers|Filters)|cloudformation:DescribeEvents": "*",
}
UPLOADS = "arn:aws:s3:::personalize-api-deployments-111122223333-eu-west-1"


@cache
def operations():
    """The operations of the services by their method: ``{"head_bucket": {("s3", "HeadBucket")}}``."""
    found = {}
    session = botocore.session.get_session()
    for service in SERVICES:
        for operation in session.get_service_model(service).operation_names:
            found.setdefault(xform_name(operation), set()).add((service, operation))
    return found


def calls_of_ops():
    """The calls that stand in the modules which deploy as one stack, and in doctor.py."""
    modules, waiting = set(), ["ops.deploy", "ops.doctor"]
    while waiting:
        name = waiting.pop()
        if name not in modules | STEPWISE and name.startswith("ops"):
            modules.add(name)
            waiting += imports(name)
    assert {"ops.cloudformation.stacks", "ops.cloudformation.artifacts", "ops.locate"} <= modules
    found = set()
    for name in modules:
        for node in ast.walk(ast.parse(MODULES[name].read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                word = node.func.attr
                if word == "get_paginator":
                    word = ast.literal_eval(node.args[0])
                found |= operations().get(word, set())
    return found


def right_of(service, operation):
    """The right for a call. API Gateway has one for each method of HTTP."""
    if service == "apigateway":
        model = botocore.session.get_session().get_service_model(service).operation_model(operation)
        return f"apigateway:{model.http['method']}"
    return ACTION_OF.get((service, operation), f"{service}:{operation}")


def names_for(action, of_service=None):
    for pattern, names in SPECIAL_NAMES.items():
        if re.fullmatch(pattern, action):
            return names.split()
    return (of_service or NAMES[action.partition(":")[0]]).split()


def rights_of_ops():
    """(action, resource) of every call."""
    for service, operation in sorted(calls_of_ops()):
        action = right_of(service, operation)
        if action not in NOT_GIVEN:
            uploads = f"{UPLOADS} {UPLOADS}/x" if service == "s3" else None
            for name in names_for(action, uploads):
                yield action, name


def rights_of_handlers(types):
    """(action, resource) of what CloudFormation does with the caller's rights."""
    provided = json.loads((SCHEMAS / "providers" / "us-east-1.json").read_text("utf-8"))
    for kind in sorted(types):
        schema = json.loads((SCHEMAS / "resources" / f"{provided[kind]}.json").read_text("utf-8"))
        unused = UNUSED.get(kind, "").split()
        for handler in ("create", "read", "update", "delete"):
            for action in schema.get("handlers", {}).get(handler, {}).get("permissions", []):
                if not any(re.fullmatch(pattern, action) for pattern in unused):
                    of_code = f"{UPLOADS}/x" if action.startswith("s3:GetObject") else None
                    for name in names_for(action, of_code):
                        yield action, name
