"""The template that is really produced: what Chalice makes of the application, merged with ours.

A promise of the stack is tested here and not in the files that go into it.
"""

import json
import re
from datetime import date
from pathlib import Path

import pytest
from samtranslator.translator.transform import transform

from chalicelib import config, cors, observability
from chalicelib.api import personalize
from chalicelib.delivery.outcome import Outcome
from ops.archive.days import Days
from ops.archive.engine import BoundQuery
from ops.archive.local_engine import LocalEngine
from ops.archive.saved_queries import read_queries
from ops.cloudformation import changes
from ops.cloudformation.artifacts import Upload
from ops.packaging import bundle, merge, policies, throttles
from ops.packaging.bundle import package
from ops.packaging.templates import ACCESS_PARAMETERS
from tests.support.iam import statements_of

ROOT = Path(__file__).parents[2]
OUTPUTS = {
    "RecommendationsUrl",
    "HistoryUrl",
    "ApiKeyConsoleUrl",
    "DashboardUrl",
    "ApiKeyId",
    "EventsBucket",
    "EventStreamName",
    "QuarantineQueueUrl",
}
PARAMETERS = {"CampaignArn", "EventTrackerId", "EventsBucketName", "NotificationEmail", "ShardCount"}


@pytest.fixture(scope="session")
def template(packaged):
    return merge.load(packaged.template_path.read_text())


@pytest.fixture(scope="session")
def resources(template):
    return template["Resources"]


@pytest.fixture(scope="session")
def transformed(template):
    """What CloudFormation works on: the template after the SAM transform, its code uploaded."""

    class NoManagedPolicies:
        def load(self):
            return {}

    uploaded = changes.with_code(template, Upload("bucket", "key.zip", "v"))
    return transform(json.loads(json.dumps(uploaded)), {}, NoManagedPolicies())


@pytest.fixture(scope="session")
def mapping(transformed):
    mappings = of_type(transformed["Resources"], "AWS::Lambda::EventSourceMapping")
    assert len(mappings) == 1
    return next(iter(mappings.values()))["Properties"]


def of_type(resources, kind):
    return {name: resource for name, resource in resources.items() if resource["Type"] == kind}


def statements(resources):
    """(role, statement) of every policy of every role, those that have a condition among them."""
    for name, role in of_type(resources, "AWS::IAM::Role").items():
        for policy in role["Properties"]["Policies"]:
            for _, statement in statements_of(policy["PolicyDocument"]):
                yield name, statement


def as_list(value):
    return value if isinstance(value, list) else [value]


# --- The contract of the stack ------------------------------------------------------------------------------


def test_the_promised_outputs_and_parameters_are_there(template):
    assert set(template["Outputs"]) >= OUTPUTS
    assert set(template["Parameters"]) >= PARAMETERS
    required = {name for name, definition in template["Parameters"].items() if "Default" not in definition}
    assert required == {"CampaignArn", "EventTrackerId"}


def test_what_cloudformation_does_not_know_is_not_in_the_template(template):
    assert policies.TABLE not in template


def test_no_parameter_stands_for_a_resource_of_the_stack(template, transformed):
    assert not set(template["Parameters"]) & set(transformed["Resources"])


def test_the_urls_lead_to_the_routes(template):
    for output, route in (("RecommendationsUrl", "recommendations"), ("HistoryUrl", "history")):
        assert template["Outputs"][output]["Value"] == {
            "Fn::Sub": "https://${RestAPI}.execute-api.${AWS::Region}.${AWS::URLSuffix}/${RestAPIapiStage}/"
            + route
        }
        assert f"/{route}" in template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"]


def test_every_function_has_every_variable_and_those_of_the_stack_by_reference(resources):
    for name in ("APIHandler", "DeliverEvents"):
        variables = resources[name]["Properties"]["Environment"]["Variables"]
        assert set(variables) == {setting.name for setting in config.SETTINGS}
        assert variables["CAMPAIGN_ARN"] == {"Ref": "CampaignArn"}
        assert variables["TRACKING_ID"] == {"Ref": "EventTrackerId"}
        assert variables["EVENT_STREAM_NAME"] == {"Ref": "EventStream"}
        assert variables["QUARANTINE_QUEUE_URL"] == {"Ref": "QuarantineQueue"}
        assert variables["EVENTS_BUCKET_NAME"] == {"Ref": "EventsBucket"}


OWN = {"EVENTS_BUCKET_NAME", "REPORT_BATCH_ITEM_FAILURES", "SERVICE_NAME"}
"""Variables that the stack itself gives."""
OF_CHALICE = {"ALLOWED_ORIGIN", "ALLOWED_HEADERS", "LOG_LEVEL"}
"""Settings of .chalice/config.json only: packaging reads the first two, and Chalice the third."""


@pytest.mark.parametrize(
    "setting",
    [each for each in config.SETTINGS if each.default is not None and each.name not in OWN | OF_CHALICE],
    ids=lambda setting: setting.name,
)
def test_every_optional_variable_is_a_parameter_of_the_same_name_with_the_same_default(template, setting):
    parameter = setting.name.title().replace("_", "")
    for name in ("APIHandler", "DeliverEvents"):
        variables = template["Resources"][name]["Properties"]["Environment"]["Variables"]
        assert variables[setting.name] == {"Ref": parameter}
    assert str(template["Parameters"][parameter]["Default"]) == setting.default


def test_the_events_of_a_request_can_be_limited_from_1_to_500(template):
    definition = template["Parameters"]["MaxEventsPerRequest"]
    assert (definition["MinValue"], definition["Default"], definition["MaxValue"]) == (1, 500, 500)


def test_every_parameter_is_documented(template):
    documented = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    assert [name for name in template["Parameters"] if f"| `{name}` |" not in documented] == []


def test_no_endpoint_and_no_account_is_in_the_template(packaged):
    text = packaged.template_path.read_text()
    assert "AWS_ENDPOINT_URL" not in text
    assert "127.0.0.1" not in text
    # The example in the description of CampaignArn is the only account number. The other one counts bytes.
    assert set(re.findall(r"\b\d{12}\b", text)) <= {"111122223333", "200000000000"}


# --- Delivery -----------------------------------------------------------------------------------------------


def test_there_is_one_event_source_on_the_stream_of_the_stack(mapping):
    assert mapping["EventSourceArn"] == {"Fn::Sub": "${EventStream.Arn}"}
    assert mapping["FunctionName"] == {"Ref": "DeliverEvents"}
    assert mapping["StartingPosition"] == "TRIM_HORIZON"


def test_the_mapping_reads_failed_items_exactly_when_the_function_reports_them(template, mapping):
    reported = mapping["FunctionResponseTypes"]["Fn::If"]
    variables = template["Resources"]["DeliverEvents"]["Properties"]["Environment"]["Variables"]
    told = variables["REPORT_BATCH_ITEM_FAILURES"]["Fn::If"]
    assert reported == ["ReportsBatchItemFailures", ["ReportBatchItemFailures"], []]
    assert told == ["ReportsBatchItemFailures", "true", "false"]
    assert template["Conditions"]["ReportsBatchItemFailures"] == {
        "Fn::Equals": [{"Ref": "ReportBatchItemFailures"}, "true"]
    }
    assert template["Parameters"]["ReportBatchItemFailures"]["Default"] == "true"


def test_delivery_gives_up_a_day_before_the_stream_forgets(template, mapping):
    age = mapping["MaximumRecordAgeInSeconds"]
    retention = template["Parameters"]["StreamRetentionHours"]
    assert age == 48 * 3600
    assert mapping["MaximumRetryAttempts"] == -1
    assert mapping["BisectBatchOnFunctionError"] is True
    assert min(retention["Default"], retention["MinValue"]) * 3600 >= age + 24 * 3600


def test_what_is_given_up_goes_whole_to_the_archive_which_the_function_may_write(resources, mapping):
    assert mapping["DestinationConfig"]["OnFailure"]["Destination"] == {"Fn::GetAtt": ["EventsBucket", "Arn"]}
    allowed = {
        (action, json.dumps(resource))
        for role, statement in statements(resources)
        if role == "DeliverEventsRole"
        for action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    }
    assert ("s3:PutObject", '{"Fn::Sub": "${EventsBucket.Arn}/aws/lambda/*"}') in allowed
    assert ("s3:ListBucket", '{"Fn::GetAtt": ["EventsBucket", "Arn"]}') in allowed


def test_delivery_has_its_new_version_before_the_api_accepts_what_only_that_can_read(transformed):
    """CloudFormation updates a resource after those that it depends on."""
    assert "DeliverEvents" in as_list(transformed["Resources"]["APIHandler"].get("DependsOn", []))


# --- Least privilege ----------------------------------------------------------------------------------------


def test_only_what_puts_events_is_allowed_on_everything(resources):
    everything = [
        (role, statement["Action"])
        for role, statement in statements(resources)
        if "*" in as_list(statement["Resource"])
    ]
    actions = ["personalize:PutActionInteractions", "personalize:PutEvents"]
    assert everything == [("DeliverEventsRole", actions)]


FILTERS = {"Fn::Sub": "arn:${AWS::Partition}:personalize:${AWS::Region}:${AWS::AccountId}:filter/*"}
OTHERS = {"Fn::Split": [",", {"Fn::Sub": "${OtherCampaignArns}," + FILTERS["Fn::Sub"]}]}
RANKING, ACTIONS = ([{"Ref": name}, FILTERS] for name in ("RankingCampaignArn", "ActionCampaignArn"))


def test_each_operation_is_allowed_on_the_campaigns_that_are_given_and_their_filters(template, resources):
    """One statement per parameter and action: CloudFormation cannot join lists of ARNs."""
    [policy] = resources["ApiHandlerRole"]["Properties"]["Policies"]
    allowed = [
        (condition, statement["Action"], statement["Resource"])
        for condition, statement in statements_of(policy["PolicyDocument"])
        if statement["Action"][0].startswith("personalize:")
    ]
    recommend, rank, act = (
        [f"personalize:{name}"]
        for name in ("GetRecommendations", "GetPersonalizedRanking", "GetActionRecommendations")
    )
    assert allowed == [
        ("", recommend, [{"Ref": "CampaignArn"}, FILTERS]),
        ("HasOtherCampaigns", recommend, OTHERS),
        ("HasFallbackCampaign", recommend, [{"Ref": "FallbackCampaignArn"}, FILTERS]),
        ("HasRankingCampaign", rank, RANKING),
        ("HasOtherCampaigns", rank, OTHERS),
        ("HasActionCampaign", act, ACTIONS),
        ("HasOtherCampaigns", act, OTHERS),
    ]
    for condition, parameter in (
        ("HasOtherCampaigns", "OtherCampaignArns"),
        ("HasRankingCampaign", "RankingCampaignArn"),
        ("HasActionCampaign", "ActionCampaignArn"),
        ("HasFallbackCampaign", "FallbackCampaignArn"),
    ):
        empty = {"Fn::Equals": [{"Ref": parameter}, ""]}
        assert template["Conditions"][condition] == {"Fn::Not": [empty]}


def test_every_statement_of_a_role_has_a_sid_of_its_own(resources):
    for role in ("ApiHandlerRole", "DeliverEventsRole"):
        [policy] = resources[role]["Properties"]["Policies"]
        sids = [statement["Sid"] for _, statement in statements_of(policy["PolicyDocument"])]
        assert len(sids) == len({*sids})
        assert [sid for sid in sids if not re.fullmatch("[A-Za-z0-9]+", sid)] == []


def test_no_action_has_a_wildcard(resources):
    assert not [a for _, statement in statements(resources) for a in as_list(statement["Action"]) if "*" in a]


@pytest.mark.parametrize(
    ("role", "file"),
    [("ApiHandlerRole", "policy-api-handler.json"), ("DeliverEventsRole", "policy-deliver-events.json")],
)
def test_the_stack_allows_what_the_reviewed_policy_allows_on_its_own_resources(resources, role, file):
    reviewed = json.loads((ROOT / ".chalice" / file).read_text())["Statement"]
    [policy] = resources[role]["Properties"]["Policies"]
    narrowed = [statement for _, statement in statements_of(policy["PolicyDocument"])]
    granted = {(s["Sid"].partition("Where")[0], s["Effect"], *s["Action"]) for s in narrowed}
    assert granted == {(s["Sid"], s["Effect"], *s["Action"]) for s in reviewed}
    assert {key for s in narrowed for key in s} == {"Sid", "Effect", "Action", "Resource"}
    for statement in narrowed:
        if statement["Resource"] != "*":
            assert "personalize-api-" not in json.dumps(statement["Resource"])


def test_each_function_has_a_role_of_its_own(resources):
    roles = {name: resources[name]["Properties"]["Role"] for name in ("APIHandler", "DeliverEvents")}
    assert roles == {
        "APIHandler": {"Fn::GetAtt": ["ApiHandlerRole", "Arn"]},
        "DeliverEvents": {"Fn::GetAtt": ["DeliverEventsRole", "Arn"]},
    }


# --- What is kept, and how ----------------------------------------------------------------------------------


def test_the_bucket_is_private_encrypted_versioned_and_outlives_the_stack(resources):
    bucket = resources["EventsBucket"]
    properties = bucket["Properties"]
    assert properties["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    assert properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert properties["LifecycleConfiguration"]["Rules"]
    assert bucket["DeletionPolicy"] == "RetainExceptOnCreate"
    assert bucket["UpdateReplacePolicy"] == "Retain"


def prefixes_written(resources):
    """Every prefix of the bucket that a role may write to: of the functions, of Lambda and of Firehose."""
    return {
        match.group(1)
        for _, statement in statements(resources)
        if "s3:PutObject" in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
        if (match := re.fullmatch(r"\$\{EventsBucket\.Arn\}/(.+/)\*", resource["Fn::Sub"]))
    }


def test_whatever_is_written_beside_the_archive_expires(template, resources):
    rules = resources["EventsBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    expiring = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "Prefix" in rule}
    # Athena and `make export` write with the rights of a person.
    copies = {name: expiring.pop(name) for name in ("query-results/", "exports/")}
    assert copies == {"query-results/": 1, "exports/": 7}
    assert expiring.keys() == prefixes_written(resources) - {"events/"}
    assert all(days == {"Ref": "FailedRecordsDays"} for days in expiring.values())
    assert template["Parameters"]["FailedRecordsDays"]["Default"] == 90
    # A bucket with versions only marks an expired object as deleted. Its bytes go with the replaced versions.
    replaced = {
        r.get("Prefix"): r["NoncurrentVersionExpiration"]["NoncurrentDays"]
        for r in rules
        if "NoncurrentVersionExpiration" in r
    }
    assert replaced == {None: 30, "query-results/": 1, "exports/": 1}


def test_a_large_record_outlives_the_message_that_points_to_it(template, resources):
    days = template["Parameters"]["FailedRecordsDays"]["MinValue"]
    assert days * 24 * 3600 > resources["QuarantineQueue"]["Properties"]["MessageRetentionPeriod"]


@pytest.mark.parametrize("policy", ["EventsBucketPolicy", "QuarantineQueuePolicy", "AlarmTopicPolicy"])
def test_plain_http_is_denied_to_everybody(resources, policy):
    denied = [
        statement
        for statement in resources[policy]["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny" and statement["Principal"] == "*"
    ]
    assert [statement["Condition"] for statement in denied] == [{"Bool": {"aws:SecureTransport": "false"}}]


def test_stream_and_queue_are_encrypted(resources):
    stream = resources["EventStream"]["Properties"]
    queue = resources["QuarantineQueue"]["Properties"]
    assert stream["StreamEncryption"] == {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}
    assert queue["SqsManagedSseEnabled"] is True
    assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_the_topic_of_alarms_is_encrypted_with_a_key_that_cloudwatch_may_use(resources):
    assert resources["AlarmTopic"]["Properties"]["KmsMasterKeyId"] == {"Ref": "AlarmTopicKey"}
    key = resources["AlarmTopicKey"]["Properties"]
    assert key["EnableKeyRotation"] is True
    [statement] = [
        s for s in key["KeyPolicy"]["Statement"] if s["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    ]
    assert set(statement["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey*"}
    # CloudWatch documents no condition for this; one that it does not send would silence every alarm.
    assert "Condition" not in statement


def test_functions_are_tagged(transformed):
    for function in of_type(transformed["Resources"], "AWS::Lambda::Function").values():
        assert {"Key": "project", "Value": "personalize-api"} in function["Properties"]["Tags"]


def test_every_finding_of_checkov_that_is_not_corrected_has_its_reason():
    config = (ROOT / "resources" / "checkov.yaml").read_text("utf-8")
    skipped = re.findall(r"(?m)^  - (CKV_\w+)(.*)$", config)
    assert skipped
    for name, reason in skipped:
        assert re.match(r" +# \w.{20,}", reason), f"{name} is left out without a reason"


def test_every_log_group_has_a_retention_and_every_function_a_log_group(transformed):
    groups = of_type(transformed["Resources"], "AWS::Logs::LogGroup")
    assert {name: group["Properties"].get("RetentionInDays") for name, group in groups.items()} == {
        "ApiHandlerLogGroup": 90,
        "DeliverEventsLogGroup": 90,
        "ArchiveLogGroup": 30,
    }
    named = {json.dumps(group["Properties"].get("LogGroupName")) for group in groups.values()}
    for function in of_type(transformed["Resources"], "AWS::Lambda::Function"):
        assert json.dumps({"Fn::Sub": f"/aws/lambda/${{{function}}}"}) in named


def test_the_archive_has_one_line_per_event_by_day(resources):
    archive = resources["Archive"]["Properties"]["ExtendedS3DestinationConfiguration"]
    assert archive["Prefix"] == "events/dt=!{timestamp:yyyy-MM-dd}/"
    assert archive["ErrorOutputPrefix"].startswith("events-failed/!{firehose:error-output-type}/")
    assert archive["CompressionFormat"] == "GZIP"
    # The record ends in a newline; a second one would be a blank line.
    assert "ProcessingConfiguration" not in archive


def test_the_table_reads_where_the_archive_writes_and_has_a_column_for_each_field(resources):
    table = resources["EventsTable"]["Properties"]["TableInput"]
    location = table["Parameters"]["storage.location.template"]
    assert location == {"Fn::Sub": "s3://${EventsBucket}/events/dt=${!dt}/"}
    schema = json.loads((ROOT / "chalicelib" / "contract" / "event.schema.json").read_text())
    spelled = {*schema["properties"], "ReceivedAt", "Experiment"}
    columns = {column["Name"] for column in table["StorageDescriptor"]["Columns"]}
    assert columns == {key.lower() for key in spelled}
    reader = table["StorageDescriptor"]["SerdeInfo"]["Parameters"]
    mapped = {name.removeprefix("mapping."): key for name, key in reader.items() if "mapping." in name}
    assert mapped == {key.lower(): key for key in spelled}


@pytest.mark.parametrize("stack", ["personalize-api-prod", "personalize-api-dev-pipeline", "a", "a" * 36])
def test_the_database_has_a_name_that_athena_takes_whatever_the_stack_is_called(resources, stack):
    """A generated name has a hyphen (Athena's user guide, tables-databases-columns-names.html)."""
    changes.check_stack_name(stack)
    joined = resources["EventsDatabase"]["Properties"]["DatabaseInput"]["Name"]
    assert joined == {"Fn::Join": ["_", {"Fn::Split": ["-", {"Ref": "AWS::StackName"}]}]}
    assert re.fullmatch(r"[a-z][a-z0-9_]{0,254}", "_".join(stack.split("-")))


def test_every_column_is_text_so_that_no_value_of_a_row_can_fail_to_be_read(resources):
    """What OpenX cannot turn into a column's type becomes null. It turns every JSON value into text."""
    table = resources["EventsTable"]["Properties"]
    assert table["DatabaseName"] == {"Ref": "EventsDatabase"}
    storage = table["TableInput"]["StorageDescriptor"]
    assert storage["SerdeInfo"]["SerializationLibrary"] == "org.openx.data.jsonserde.JsonSerDe"
    types = {column["Name"]: column["Type"] for column in storage["Columns"]}
    assert types.pop("impression") == "array<string>"
    assert set(types.values()) == {"string"}


# --- The API ------------------------------------------------------------------------------------------------


def test_every_route_but_the_preflights_needs_a_key(resources):
    paths = resources["RestAPI"]["Properties"]["DefinitionBody"]["paths"]
    for methods in paths.values():
        for method, operation in methods.items():
            assert (operation.get("security") == [{"api_key": []}]) == (method != "options")


def test_every_key_is_in_one_plan_of_the_api_with_limits_of_its_own_and_its_id_is_an_output(
    template, resources
):
    """A list of consumers. A key without a plan opens nothing, and a plan without limits limits nothing."""
    keys, plans = (
        of_type(resources, "AWS::ApiGateway::ApiKey"),
        of_type(resources, "AWS::ApiGateway::UsagePlan"),
    )
    links = [each["Properties"] for each in of_type(resources, "AWS::ApiGateway::UsagePlanKey").values()]
    assert len(keys) == len(plans) == len(links) == 3
    assert {link["KeyId"]["Ref"] for link in links} == keys.keys()
    assert {link["UsagePlanId"]["Ref"] for link in links} == plans.keys()
    limits = []
    for plan in (each["Properties"] for each in plans.values()):
        assert plan["ApiStages"] == [{"ApiId": {"Ref": "RestAPI"}, "Stage": {"Ref": "RestAPIapiStage"}}]
        condition, quota, none = plan["Quota"]["Fn::If"]
        assert (quota["Period"], none) == ("MONTH", {"Ref": "AWS::NoValue"})
        equal = {"Fn::Equals": [quota["Limit"], 0]}
        assert template["Conditions"][condition] == {"Fn::Not": [equal]}
        limits += [plan["Throttle"]["RateLimit"], plan["Throttle"]["BurstLimit"], quota["Limit"]]
    names = {limit["Ref"] for limit in limits}
    assert len(names) == 9
    assert names <= set(ACCESS_PARAMETERS) & template["Parameters"].keys()
    shown = {output["Value"].get("Ref") for output in template["Outputs"].values()}
    assert keys.keys() <= shown
    assert template["Outputs"]["ApiKeyId"]["Value"] == {"Ref": "ApiKey"}


def test_the_plan_of_web_pages_is_smaller_than_the_main_one_in_every_limit(template):
    for limit in ("ThrottleRateLimit", "ThrottleBurstLimit", "MonthlyQuota"):
        web, main = (template["Parameters"][name]["Default"] for name in (f"Web{limit}", limit))
        assert 0 < web < main


def test_every_method_of_the_api_is_throttled_whoever_calls_it(template, transformed):
    [stage] = of_type(transformed["Resources"], "AWS::ApiGateway::Stage").values()
    settings = {
        (each["ResourcePath"], each["HttpMethod"]): (
            each["ThrottlingRateLimit"],
            each["ThrottlingBurstLimit"],
        )
        for each in stage["Properties"]["MethodSettings"]
    }
    stage_limits, preflight_limits = (
        tuple({"Ref": name} for name in names) for names in (throttles.STAGE, throttles.PREFLIGHT)
    )
    paths = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"]
    assert settings.pop(("/*", "*")) == stage_limits
    # "/" within a path is "~1" (AWS::ApiGateway::Stage MethodSetting).
    without_key = {(f"/~1{path[1:]}", "OPTIONS") for path, methods in paths.items() if "options" in methods}
    assert settings == dict.fromkeys(without_key, preflight_limits)
    assert without_key


def test_the_stage_takes_what_the_plans_allow_together_and_fewer_preflights(template):
    throttles.check_stage_throttle(template, {})
    defaults = throttles.effective_values(template, {})
    for stage, preflight in zip(throttles.STAGE, throttles.PREFLIGHT, strict=True):
        assert int(defaults[preflight]) < int(defaults[stage])


@pytest.mark.parametrize("kind", ["DEFAULT_4XX", "DEFAULT_5XX", "THROTTLED", "QUOTA_EXCEEDED"])
def test_the_gateways_own_errors_have_our_shape_and_can_be_read_by_a_page(resources, kind):
    definition = resources["RestAPI"]["Properties"]["DefinitionBody"]
    response = definition["x-amazon-apigateway-gateway-responses"][kind]
    headers = {name.rpartition(".")[2]: value for name, value in response["responseParameters"].items()}
    assert headers["Access-Control-Allow-Origin"] == "'*'"
    assert headers["Access-Control-Expose-Headers"] == f"'{','.join(cors.EXPOSED)}'"
    assert ("Retry-After" in headers) == (kind == "THROTTLED")
    assert re.fullmatch(
        r'\{"Code":"[$.\w]+","Message":\$context\.error\.messageString\}',
        response["responseTemplates"]["application/json"],
    )


def test_every_alarm_tells_the_topic_and_takes_silence_for_health(resources):
    alarms = of_type(resources, "AWS::CloudWatch::Alarm")
    assert set(alarms) == {
        "ApiErrorsAlarm",
        "ApiLatencyAlarm",
        "ArchiveBehindAlarm",
        "ArchiveStoppedAlarm",
        "DeliveryBehindAlarm",
        "DeliveryErrorsAlarm",
        "DeliveryStoppedAlarm",
        "EventsOldAlarm",
        "EventsRejectedAlarm",
        "EventsRetriedAlarm",
        "GivenUpNotStoredAlarm",
        "NotPersonalizeAlarm",
        "QuarantineAlarm",
        "SpoiledRowsAlarm",
    }
    for alarm in alarms.values():
        assert alarm["Properties"]["AlarmActions"] == [{"Ref": "AlarmTopic"}]
        assert alarm["Properties"]["TreatMissingData"] == "notBreaching"


# --- The file itself ----------------------------------------------------------------------------------------


def test_the_template_has_no_yaml_alias(packaged):
    """CloudFormation reads none, and Chalice's own template has one for the two roles."""
    assert not re.search(r"(?m)[:-] [&*]\w+$", packaged.template_path.read_text())


def test_the_template_is_small_enough_for_cloudformation(packaged, template):
    body = json.dumps(
        changes.with_code(template, Upload("b" * 63, "k" * 120, "v" * 32)), separators=(",", ":")
    )
    assert len(body) < 1_048_576  # of a template in S3 (cloudformation-limits.html)


def test_an_unchanged_project_is_not_packaged_again(packaged):
    assert package("prod").reused


def test_the_stages_differ_in_nothing_but_retention_and_the_tag(template):
    dev = merge.load(package("dev").template_path.read_text())

    def differences(one, other, path=()):
        if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
            for key in one:
                yield from differences(one[key], other[key], (*path, key))
        elif one != other:
            yield path[-1]

    assert set(differences(dev, template)) == {"RetentionInDays", "aws-chalice"}


def test_the_packaged_files_are_where_others_look_for_them(packaged):
    assert packaged.template_path == bundle.ROOT / "build" / "prod" / "sam.yaml"
    assert packaged.zip_path == bundle.ROOT / "build" / "prod" / "deployment.zip"


def test_every_alarm_is_explained_to_operators(resources):
    explained = (ROOT / "docs" / "operations.md").read_text("utf-8")
    for name in of_type(resources, "AWS::CloudWatch::Alarm"):
        assert f"| `{name}` |" in explained


def test_alarms_read_metrics_that_the_functions_file_under_the_same_name(resources):
    watched = [
        alarm["Properties"]
        for alarm in of_type(resources, "AWS::CloudWatch::Alarm").values()
        if alarm["Properties"].get("Namespace") == observability.NAMESPACE
    ]
    emitted = {*Outcome().counts, "OldestEventAge", "Accepted", "Rejected", personalize.SHARE}
    assert {metric["MetricName"] for metric in watched} <= emitted
    service = resources["DeliverEvents"]["Properties"]["Environment"]["Variables"]["SERVICE_NAME"]
    assert len(watched) == 5
    for metric in watched:
        assert metric["Dimensions"] == [{"Name": "service", "Value": service}]


def test_the_lines_of_the_archive_are_a_table_of_the_same_place(resources):
    events, lines = (
        resources[name]["Properties"]["TableInput"] for name in ("EventsTable", "EventLinesTable")
    )
    assert lines["PartitionKeys"] == events["PartitionKeys"]
    assert lines["StorageDescriptor"]["Location"] == events["StorageDescriptor"]["Location"]
    projected = {k: v for k, v in events["Parameters"].items() if k.startswith(("projection", "storage"))}
    assert projected.items() <= lines["Parameters"].items()
    assert [column["Name"] for column in lines["StorageDescriptor"]["Columns"]] == ["line"]


def test_a_local_query_has_the_columns_that_athena_has(resources):
    table = resources["EventsTable"]["Properties"]["TableInput"]
    of_athena = {column["Name"] for column in table["StorageDescriptor"]["Columns"]}
    nothing = Days(date(2026, 1, 1), date(2026, 1, 1))
    with LocalEngine(list, "bucket").run(BoundQuery("SELECT * FROM events", [], nothing)) as result:
        columns = {column.name for column in result.columns}
    assert columns == of_athena | {"dt", "$path", "$file_modified_time"}


def test_a_query_ends_at_a_limit_and_its_result_is_encrypted_in_the_bucket(template, resources):
    group = resources["QueryWorkGroup"]["Properties"]
    assert group["Name"] == {"Ref": "AWS::StackName"}
    assert group["RecursiveDeleteOption"] is True, "else the stack could not be removed"
    settings = group["WorkGroupConfiguration"]
    assert settings["EnforceWorkGroupConfiguration"] is True
    assert settings["BytesScannedCutoffPerQuery"] == {"Ref": "QueryBytesLimit"}
    result = settings["ResultConfiguration"]
    assert result["OutputLocation"] == {"Fn::Sub": "s3://${EventsBucket}/query-results/"}
    assert result["EncryptionConfiguration"] == {"EncryptionOption": "SSE_S3"}
    assert template["Outputs"]["QueryWorkGroup"]["Value"] == {"Ref": "QueryWorkGroup"}


def test_every_query_is_a_saved_query_of_the_workgroup(resources):
    saved = [each for each in resources.values() if each["Type"] == "AWS::Athena::NamedQuery"]
    assert {each["Condition"] for each in saved} == {"OnAws"}, "the emulator refuses them"
    for each in saved:
        properties = each["Properties"]
        assert properties["WorkGroup"] == {"Ref": "QueryWorkGroup"}
        assert properties["Database"] == {"Ref": "EventsDatabase"}
    queries = read_queries()
    assert {e["Properties"]["Name"]: e["Properties"]["QueryString"] for e in saved} == {
        name: query.sql for name, query in queries.items()
    }
    # API_CreateNamedQuery
    assert all(len(query.sql.encode()) <= 262_144 for query in queries.values())


def test_personalize_reads_exports_and_nothing_else_of_the_bucket(resources):
    policy = resources["EventsBucketPolicy"]["Properties"]["PolicyDocument"]
    of_personalize = [
        statement
        for statement in policy["Statement"]
        if statement["Principal"] == {"Service": "personalize.amazonaws.com"}
    ]
    assert [(s["Action"], s["Resource"]) for s in of_personalize] == [
        ("s3:GetObject", {"Fn::Sub": "${EventsBucket.Arn}/exports/*"}),
        ("s3:ListBucket", {"Fn::GetAtt": ["EventsBucket", "Arn"]}),
    ]
    for statement in of_personalize:
        assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
