"""What doctor says of Personalize, whose control plane the emulator does not have: scripted by the Stubber.

The rest of it runs against the emulator, in tests/integration/test_doctor.py.
"""

from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ops import diagnosis, doctor
from ops.diagnosis import State
from ops.locate import Deployment, Flow
from ops.personalize_checks import check_campaigns, check_filters, describe_campaigns

CAMPAIGN = "arn:aws:personalize:eu-west-1:111122223333:campaign/shop"
RECOMMENDER = "arn:aws:personalize:eu-west-1:111122223333:recommender/shop"
VERSION = "arn:aws:personalize:eu-west-1:111122223333:solution/shop/1"
GROUP = "arn:aws:personalize:eu-west-1:111122223333:dataset-group/shop"
TRACKER = "arn:aws:personalize:eu-west-1:111122223333:event-tracker/shop"


@pytest.fixture
def personalize():
    client = boto3.client("personalize", region_name="eu-west-1")
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


def script_campaign(stub, arn=CAMPAIGN, recipe="aws-user-personalization", **fields):
    name = arn.rpartition("/")[2]
    version = VERSION.replace("shop", name)
    campaign = {"name": name, "status": "ACTIVE", "solutionVersionArn": version} | fields
    stub.add_response("describe_campaign", {"campaign": campaign}, {"campaignArn": arn})
    trained = {"datasetGroupArn": GROUP, "recipeArn": f"arn:aws:personalize:::recipe/{recipe}"}
    stub.add_response(
        "describe_solution_version", {"solutionVersion": trained}, {"solutionVersionArn": version}
    )


def script_trackers(stub, *trackers):
    """Each on a page of its own."""
    for index, tracker in enumerate(trackers):
        more = {"nextToken": str(index)} if index + 1 < len(trackers) else {}
        asked = {"nextToken": str(index - 1)} if index else {}
        arn = f"{TRACKER}{index}"
        stub.add_response("list_event_trackers", {"eventTrackers": [{"eventTrackerArn": arn}], **more}, asked)
        described = {"name": f"shop{index}", "status": "ACTIVE", "datasetGroupArn": GROUP} | tracker
        stub.add_response("describe_event_tracker", {"eventTracker": described}, {"eventTrackerArn": arn})


def findings(stub, arn=CAMPAIGN, tracking_id="t-1", region="eu-west-1", **others):
    """What is said of campaigns and tracker. ``others`` are more variables of the functions."""
    variables = {"RANKING_CAMPAIGN_ARN": "", **others, "CAMPAIGN_ARN": arn}
    campaigns = describe_campaigns(stub.client, variables, region)
    return list(check_campaigns(stub.client, campaigns, tracking_id, region))


def test_an_active_campaign_and_a_tracker_on_any_page_are_well(personalize):
    script_campaign(personalize)
    script_trackers(personalize, {"trackingId": "other"}, {"trackingId": "t-1"})
    assert [str(finding) for finding in findings(personalize)] == [
        "ok  The campaign shop is ACTIVE in the functions' region and serves /recommendations. Its "
        "metadata is not enabled: a request with metadataColumns is refused.",
        "ok  The event tracker shop1 is ACTIVE.",
    ]


def named(name):
    return CAMPAIGN.replace("shop", name)


METADATA = {"campaignConfig": {"enableMetadataWithRecommendations": True}}


def test_every_campaign_is_told_with_the_route_that_it_serves_and_its_metadata(personalize):
    script_campaign(personalize)
    script_campaign(personalize, named("ranking"), "aws-personalized-ranking-v2", **METADATA)
    script_campaign(personalize, named("actions"), "aws-next-best-action")
    script_campaign(personalize, named("similar"), "aws-similar-items", **METADATA)
    script_campaign(personalize, named("second"), "aws-personalized-ranking")
    script_trackers(personalize, {"trackingId": "t-1"})
    found = findings(
        personalize,
        RANKING_CAMPAIGN_ARN=named("ranking"),
        ACTION_CAMPAIGN_ARN=named("actions"),
        OTHER_CAMPAIGN_ARNS=f"{named('similar')}, {named('second')}",
    )
    assert {finding.state for finding in found} == {State.GOOD}
    assert [finding.what.removeprefix("The campaign ") for finding in found[1:-1]] == [
        "ranking is ACTIVE in the functions' region and serves /ranking. Its metadata is enabled.",
        "actions is ACTIVE in the functions' region and serves /action-recommendations.",
        "similar is ACTIVE in the functions' region and serves /recommendations. Its metadata is enabled.",
        "second is ACTIVE in the functions' region and serves /ranking. Its metadata is not enabled: a "
        "request with metadataColumns is refused.",
    ]


@pytest.mark.parametrize(
    ("variable", "recipe", "serves", "wanted"),
    [
        ("CAMPAIGN_ARN", "aws-personalized-ranking", "/ranking", "/recommendations"),
        ("CAMPAIGN_ARN", "aws-next-best-action", "/action-recommendations", "/recommendations"),
        ("RANKING_CAMPAIGN_ARN", "aws-user-personalization-v2", "/recommendations", "/ranking"),
        ("RANKING_CAMPAIGN_ARN", "aws-next-best-action", "/action-recommendations", "/ranking"),
        ("ACTION_CAMPAIGN_ARN", "aws-personalized-ranking-v2", "/ranking", "/action-recommendations"),
        ("ACTION_CAMPAIGN_ARN", "aws-sims", "/recommendations", "/action-recommendations"),
        ("FALLBACK_CAMPAIGN_ARN", "aws-personalized-ranking", "/ranking", "/recommendations"),
    ],
)
def test_a_campaign_whose_recipe_is_for_another_route_is_told(personalize, variable, recipe, serves, wanted):
    given = {"CAMPAIGN_ARN": CAMPAIGN, variable: named("wrong")}
    if variable != "CAMPAIGN_ARN":
        script_campaign(personalize)
    script_campaign(personalize, named("wrong"), recipe)
    script_trackers(personalize, {"trackingId": "t-1"})
    found = findings(personalize, arn=given.pop("CAMPAIGN_ARN"), **given)
    [finding] = [finding for finding in found if finding.state is State.BAD]
    assert f"has the recipe {recipe}, which is for {serves} and not for {wanted}" in finding.what
    assert f"--parameter {variable.title().replace('_', '')}=..." in finding.remedy


@pytest.mark.parametrize("variable", ["RANKING_CAMPAIGN_ARN", "ACTION_CAMPAIGN_ARN", "OTHER_CAMPAIGN_ARNS"])
def test_an_optional_campaign_that_does_not_answer_is_told_like_the_first(personalize, variable):
    option = f"--parameter {variable.title().replace('_', '')}=..."
    script_campaign(personalize)
    personalize.add_client_error("describe_campaign", "ResourceNotFoundException")
    script_trackers(personalize, {"trackingId": "t-1"})
    gone = findings(personalize, **{variable: named("gone")})[1]
    assert str(gone).startswith("!!  There is no campaign gone in this account and region.")
    assert option in gone.remedy
    script_campaign(personalize)
    script_trackers(personalize, {"trackingId": "t-1"})
    far = findings(personalize, **{variable: named("far").replace("eu-west-1", "us-east-1")})[1]
    assert str(far).startswith("!!  The campaign far is in us-east-1, the functions are in eu-west-1.")
    assert option in far.remedy


def test_a_campaign_that_follows_the_latest_version_has_the_recipe_of_its_solution(personalize):
    solution = VERSION.rpartition("/")[0]
    campaign = {"name": "shop", "status": "ACTIVE", "solutionVersionArn": f"{solution}/$LATEST"}
    personalize.add_response("describe_campaign", {"campaign": campaign}, {"campaignArn": CAMPAIGN})
    trained = {"datasetGroupArn": GROUP, "recipeArn": "arn:aws:personalize:::recipe/aws-personalized-ranking"}
    personalize.add_response("describe_solution", {"solution": trained}, {"solutionArn": solution})
    script_trackers(personalize, {"trackingId": "t-1", "datasetGroupArn": GROUP + "2"})
    campaign, tracker = findings(personalize)
    assert "has the recipe aws-personalized-ranking" in str(campaign)
    assert "belongs to another dataset group" in str(tracker)


def script_filters(stub, *filters):
    """Each on a page of its own."""
    for index, each in enumerate(filters):
        more = {"nextToken": str(index)} if index + 1 < len(filters) else {}
        asked = {"nextToken": str(index - 1)} if index else {}
        stub.add_response("list_filters", {"Filters": [each], **more}, {"datasetGroupArn": GROUP, **asked})


def test_filters_that_are_active_are_named_in_one_line(personalize):
    script_filters(personalize, *({"name": name, "status": "ACTIVE"} for name in ("unseen", "cheap")))
    assert [str(finding) for finding in check_filters(personalize.client, GROUP)] == [
        "ok  Every filter of the dataset group shop is ACTIVE: cheap, unseen."
    ]


def test_filters_that_are_not_active_are_told_one_by_one(personalize):
    script_filters(
        personalize,
        {"name": "unseen", "status": "ACTIVE"},
        {"name": "cheap", "status": "CREATE PENDING"},
        {"name": "wrong", "status": "CREATE FAILED", "failureReason": "no such column"},
    )
    assert [str(finding) for finding in check_filters(personalize.client, GROUP)] == [
        "??  The filter cheap is CREATE PENDING. -> Wait until it is ACTIVE. Until then a request that names "
        "it is refused.",
        "??  The filter wrong could not be created: no such column -> Delete it and create it again. A "
        "request that names it is refused.",
    ]


def test_no_filter_is_well(personalize):
    personalize.add_response("list_filters", {"Filters": []}, {"datasetGroupArn": GROUP})
    [finding] = check_filters(personalize.client, GROUP)
    assert str(finding) == "ok  The dataset group shop has no filter."


def test_a_recommender_is_asked_for_as_one(personalize):
    recipe = "arn:aws:personalize:::recipe/aws-ecomm-popular-items-by-views"
    settings = {"recommenderConfig": {"enableMetadataWithRecommendations": True}}
    described = {"name": "shop", "status": "ACTIVE", "datasetGroupArn": GROUP, "recipeArn": recipe} | settings
    personalize.add_response(
        "describe_recommender", {"recommender": described}, {"recommenderArn": RECOMMENDER}
    )
    script_trackers(personalize, {"trackingId": "t-1"})
    assert [str(finding) for finding in findings(personalize, arn=RECOMMENDER)] == [
        "ok  The recommender shop is ACTIVE in the functions' region and serves /recommendations. Its "
        "metadata is enabled.",
        "ok  The event tracker shop0 is ACTIVE.",
    ]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"status": "CREATE IN_PROGRESS"}, "is CREATE IN_PROGRESS. -> Wait until it is ACTIVE"),
        (
            {"status": "CREATE FAILED", "failureReason": "no data"},
            "could not be created: no data -> Create it",
        ),
    ],
)
def test_a_campaign_that_does_not_answer_yet_is_told_with_what_to_do(personalize, fields, said):
    script_campaign(personalize, **fields)
    script_trackers(personalize, {"trackingId": "t-1"})
    campaign, _ = findings(personalize)
    assert campaign.state is State.BAD
    assert said in str(campaign)


def test_a_campaign_that_is_not_there_is_named_without_its_account(personalize):
    personalize.add_client_error("describe_campaign", "ResourceNotFoundException")
    script_trackers(personalize, {"trackingId": "t-1"})
    campaign, tracker = findings(personalize)
    assert str(campaign).startswith("!!  There is no campaign shop in this account and region.")
    assert tracker.state is State.GOOD


def test_a_campaign_of_another_region_is_told_without_asking(personalize):
    script_trackers(personalize, {"trackingId": "t-1"})
    finding, tracker = findings(personalize, region="us-east-1")
    assert "The campaign shop is in eu-west-1, the functions are in us-east-1." in str(finding)
    assert tracker.state is State.GOOD


@pytest.mark.parametrize("arn", ["", "arn:aws:personalize:us-east-1:111122223333:campaign/set-me"])
def test_a_placeholder_is_no_campaign(personalize, arn):
    script_trackers(personalize, {"trackingId": "t-1"})
    finding, _ = findings(personalize, arn=arn)
    assert "No campaign is set. -> Deploy with --parameter CampaignArn=..." in str(finding)


@pytest.mark.parametrize(
    ("tracker", "said"),
    [
        ({"trackingId": "t-2"}, "No event tracker of this account and region has the tracking id"),
        ({"trackingId": "t-1", "status": "DELETE PENDING"}, "The event tracker shop0 is DELETE PENDING."),
        ({"trackingId": "t-1", "datasetGroupArn": GROUP + "2"}, "belongs to another dataset group"),
    ],
)
def test_a_tracker_that_trains_nothing_is_told(personalize, tracker, said):
    script_campaign(personalize)
    script_trackers(personalize, tracker)
    finding = findings(personalize)[1]
    assert finding.state is State.BAD
    assert said in str(finding)
    assert finding.remedy


HEALTHY = {
    "UUID": "u",
    "State": "Enabled",
    "FunctionResponseTypes": ["ReportBatchItemFailures"],
    "MaximumRecordAgeInSeconds": 172800,
    "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:s3:::archive"}},
}
EXPECTED = {name: HEALTHY[name] for name in ("FunctionResponseTypes", "MaximumRecordAgeInSeconds")}
REPORTING = {"REPORT_BATCH_ITEM_FAILURES": "true"}


def test_the_event_source_as_it_should_be_is_well():
    assert diagnosis.event_source([HEALTHY], EXPECTED, REPORTING).state is State.GOOD


@pytest.mark.parametrize(
    ("mappings", "said"),
    [
        ([], "0 event sources"),
        ([HEALTHY, HEALTHY], "2 event sources"),
        ([HEALTHY | {"State": "Disabled"}], "update-event-source-mapping --enabled --uuid u"),
        ([HEALTHY | {"FunctionResponseTypes": []}], "EVENTS ARE LOST"),
        ([HEALTHY | {"MaximumRecordAgeInSeconds": -1}], "is -1 instead of 172800"),
        ([HEALTHY | {"DestinationConfig": {}}], "what is given up goes nowhere"),
    ],
)
def test_an_event_source_that_is_not_as_it_should_be_is_told(mappings, said):
    finding = diagnosis.event_source(mappings, EXPECTED, REPORTING)
    assert finding.state is State.BAD
    assert said in str(finding)


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"A": "é"}, "ok  The variables take 10 of the 4,096 bytes of a function."),
        (
            {"A": "x" * 4089},
            "!!  The variables of a function take 4,097 bytes, and Lambda takes 4,096. The longest is A: "
            "shorten it. -> Deploy with another value.",
        ),
        (
            {"CAMPAIGN_ARN": CAMPAIGN, "OTHER_CAMPAIGN_ARNS": CAMPAIGN},
            "!!  Two campaigns have the name 'shop', by which a request chooses one. Remove one from "
            "OTHER_CAMPAIGN_ARNS. -> Deploy with another value.",
        ),
    ],
)
def test_the_variables_are_added_up_as_lambda_does_and_judged_as_the_functions_do(variables, line):
    assert str(diagnosis.variables_of(variables)) == line


def test_every_finding_is_one_line_and_every_bad_one_has_a_remedy():
    found = [
        diagnosis.quarantine(0),
        diagnosis.quarantine(3),
        diagnosis.subscriptions([]),
        diagnosis.subscriptions([{"Endpoint": "a@b.example", "SubscriptionArn": "PendingConfirmation"}]),
        diagnosis.subscriptions([{"Endpoint": "a@b.example", "SubscriptionArn": "arn:aws:sns:::x"}]),
        diagnosis.api_key(False, [], "api", "stage"),
        diagnosis.api_key(True, [], "api", "stage"),
        diagnosis.api_key(True, [{"apiStages": [{"apiId": "api", "stage": "stage"}]}], "api", "stage"),
    ]
    assert [finding.state.value for finding in found] == ["ok", "??", "??", "??", "ok", "!!", "!!", "ok"]
    assert [finding for finding in found if "\n" in str(finding)] == []
    assert [finding for finding in found if finding.state is not State.GOOD and not finding.remedy] == []


QUEUE = "https://sqs.eu-west-1.amazonaws.com/111122223333/personalize-api-prod-quarantine"
DEPLOYMENT = Deployment(
    "eu-west-1",
    "prod",
    Flow.ONE_STACK,
    ("personalize-api-prod",),
    {
        "DeliverEventsName": "deliver",
        "QuarantineQueueUrl": QUEUE,
        "AlarmTopicArn": "arn:aws:sns:eu-west-1:111122223333:alarms",
        "ApiKeyId": "key",
        "RestAPIId": "api",
        "RecommendationsUrl": "https://api.example/stage/recommendations",
    },
)
VARIABLES = {"CAMPAIGN_ARN": CAMPAIGN, "TRACKING_ID": "t-1", **REPORTING}
HEALTHY_ROLE: dict[str, Any] = {
    "get_function_configuration": {"Environment": {"Variables": VARIABLES}},
    "list_event_source_mappings": {"EventSourceMappings": [HEALTHY | {"UUID": "u" * 36}]},
    "describe_campaign": {"campaign": {"name": "shop", "status": "ACTIVE", "solutionVersionArn": VERSION}},
    "describe_solution_version": {"solutionVersion": {"datasetGroupArn": GROUP}},
    "list_filters": {"Filters": [{"name": "unseen", "status": "ACTIVE"}]},
    "list_event_trackers": {"eventTrackers": [{"eventTrackerArn": TRACKER}]},
    "describe_event_tracker": {
        "eventTracker": {
            "name": "shop",
            "status": "ACTIVE",
            "trackingId": "t-1",
            "datasetGroupArn": GROUP,
        }
    },
    "get_queue_attributes": {
        "Attributes": {"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0"}
    },
    "list_subscriptions_by_topic": {
        "Subscriptions": [{"Endpoint": "a@b.example", "SubscriptionArn": "arn:aws:sns:::x"}]
    },
    "get_usage_plan_keys": {"items": [{"id": "key"}]},
    "get_api_key": {"enabled": True},
    "get_usage_plans": {"items": [{"id": "plan", "apiStages": [{"apiId": "api", "stage": "stage"}]}]},
}
SERVICES = {
    "lambda": ("get_function_configuration", "list_event_source_mappings"),
    "personalize": (
        "describe_campaign",
        "describe_solution_version",
        "list_event_trackers",
        "describe_event_tracker",
        "list_filters",
    ),
    "sqs": ("get_queue_attributes",),
    "sns": ("list_subscriptions_by_topic",),
    "apigateway": ("get_usage_plans", "get_usage_plan_keys", "get_api_key"),
}


@pytest.fixture
def examined():
    """``examined(OPERATION=CODE or response)`` is what doctor says when these calls do not end well."""

    def run(**changed):
        make: Any = boto3.client
        clients = {service: make(service, region_name="eu-west-1") for service in SERVICES}
        for service, operations in SERVICES.items():
            stub = Stubber(clients[service])
            for operation in operations:
                response = changed.get(operation, HEALTHY_ROLE[operation])
                if response is None:
                    continue  # it is not called
                if isinstance(response, str):
                    stub.add_client_error(operation, response, "said by AWS")
                    break  # the check ends here
                stub.add_response(operation, response)
            stub.activate()
        session: Any = SimpleNamespace(client=clients.__getitem__)
        return list(doctor.examine(DEPLOYMENT, EXPECTED, session))

    return run


def exit_codes(found):
    states = [finding.state for finding in found]
    return tuple(int(not diagnosis.is_well(states, is_strict=strict)) for strict in (False, True))


def test_a_deployment_that_is_well_in_everything_is_well_strictly(examined):
    found = examined()
    assert [finding.state for finding in found] == [State.GOOD] * 8
    assert exit_codes(found) == (0, 0)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"list_subscriptions_by_topic": {"Subscriptions": []}},
            "??  Nobody is told of alarms. -> Deploy with",
        ),
        (
            {"describe_campaign": "AccessDeniedException"},
            "??  Campaigns and event tracker could not be checked. -> These credentials may not call "
            "DescribeCampaign: said by AWS",
        ),
        (
            {"list_event_trackers": "AccessDeniedException"},
            "??  Campaigns and event tracker could not be checked.",
        ),
        (
            {"list_filters": "AccessDeniedException"},
            "??  The filters could not be checked. -> These credentials may not call ListFilters",
        ),
        (
            {
                "describe_campaign": {"campaign": {"name": "shop", "status": "ACTIVE"}},
                "describe_solution_version": None,
                "list_filters": None,
            },
            "??  The filters could not be checked. -> No campaign could be asked for its dataset group",
        ),
        (
            {"get_function_configuration": "AccessDeniedException"},
            "??  Campaigns and event tracker could not be checked. -> The variables of the function",
        ),
        ({"get_queue_attributes": "ThrottlingException"}, "??  The quarantine could not be checked."),
        (
            {
                "get_queue_attributes": {
                    "Attributes": {
                        "ApproximateNumberOfMessages": "1",
                        "ApproximateNumberOfMessagesNotVisible": "1",
                    }
                }
            },
            "??  The quarantine holds 2 messages.",
        ),
    ],
)
def test_what_does_not_stop_the_deployment_is_to_be_looked_at(examined, changed, said):
    found = examined(**changed)
    assert any(str(finding).startswith(said) for finding in found)
    assert State.BAD not in {finding.state for finding in found}
    assert exit_codes(found) == (0, 1)


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"get_function_configuration": "ResourceNotFoundException"}, "The event source"),
        ({"get_queue_attributes": "AWS.SimpleQueueService.NonExistentQueue"}, "The quarantine"),
        ({"get_queue_attributes": "QueueDoesNotExist"}, "The quarantine"),
        ({"list_subscriptions_by_topic": "NotFound"}, "The subscription to alarms"),
        ({"get_api_key": "NotFoundException"}, "The API key"),
    ],
)
def test_what_somebody_deleted_cannot_work(examined, changed, name):
    found = examined(**changed)
    [finding] = [finding for finding in found if finding.state is State.BAD]
    assert str(finding).startswith(f"!!  {name} could not be checked, because AWS does not find it. -> ")
    assert "said by AWS" in finding.remedy
    assert exit_codes(found) == (1, 1)


def test_a_deployment_of_which_nothing_can_be_checked_is_not_well(examined):
    denied = dict.fromkeys([operations[0] for operations in SERVICES.values()], "AccessDeniedException")
    found = examined(**denied)
    assert {finding.state for finding in found} == {State.LOOK}
    assert exit_codes(found) == (1, 1)


@pytest.mark.parametrize(("second", "state"), [(True, State.GOOD), (False, State.BAD)])
def test_after_a_rotation_another_key_of_the_plan_opens_the_api(second, state):
    make: Any = boto3.client
    gateway = make("apigateway", region_name="eu-west-1")
    with Stubber(gateway) as stub:
        stub.add_response("get_usage_plans", HEALTHY_ROLE["get_usage_plans"])
        keys = {"items": [{"id": DEPLOYMENT.output("ApiKeyId")}, {"id": "new"}]}
        stub.add_response("get_usage_plan_keys", keys)
        stub.add_response("get_api_key", {"enabled": False})
        stub.add_response("get_usage_plan_keys", keys)
        stub.add_response("get_api_key", {"enabled": False})
        stub.add_response("get_api_key", {"enabled": second})
        [finding] = doctor.check_key(gateway, DEPLOYMENT)
        stub.assert_no_pending_responses()
    assert finding.state is state
