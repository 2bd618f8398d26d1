"""What doctor says of Personalize, whose control plane the emulator does not have: scripted by the Stubber.

The rest of it runs against the emulator, in tests/integration/test_doctor.py.
"""

import boto3
import pytest
from botocore.stub import Stubber

from ops import diagnosis, doctor
from ops.diagnosis import State

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


def script_campaign(stub, **fields):
    campaign = {"name": "shop", "status": "ACTIVE", "solutionVersionArn": VERSION} | fields
    stub.add_response("describe_campaign", {"campaign": campaign}, {"campaignArn": CAMPAIGN})
    stub.add_response(
        "describe_solution_version",
        {"solutionVersion": {"datasetGroupArn": GROUP}},
        {"solutionVersionArn": VERSION},
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


def findings(stub, arn=CAMPAIGN, tracking_id="t-1", region="eu-west-1"):
    return list(doctor.check_personalize(stub.client, arn, tracking_id, region))


def test_an_active_campaign_and_a_tracker_on_any_page_are_well(personalize):
    script_campaign(personalize)
    script_trackers(personalize, {"trackingId": "other"}, {"trackingId": "t-1"})
    assert [str(finding) for finding in findings(personalize)] == [
        "ok  The campaign shop is ACTIVE in the functions' region.",
        "ok  The event tracker shop1 is ACTIVE.",
    ]


def test_a_recommender_is_asked_for_as_one(personalize):
    described = {"name": "shop", "status": "ACTIVE", "datasetGroupArn": GROUP}
    personalize.add_response(
        "describe_recommender", {"recommender": described}, {"recommenderArn": RECOMMENDER}
    )
    script_trackers(personalize, {"trackingId": "t-1"})
    assert [finding.state for finding in findings(personalize, arn=RECOMMENDER)] == [State.GOOD, State.GOOD]


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
    [finding] = findings(personalize, region="us-east-1")
    assert "The campaign is in eu-west-1, the functions are in us-east-1." in str(finding)


@pytest.mark.parametrize("arn", ["", "arn:aws:personalize:us-east-1:111122223333:campaign/set-me"])
def test_a_placeholder_is_no_campaign(personalize, arn):
    [finding] = findings(personalize, arn=arn)
    assert "No campaign is set." in str(finding)


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
    assert [finding.state.value for finding in found] == ["ok", "!!", "!!", "!!", "ok", "!!", "!!", "ok"]
    assert [finding for finding in found if "\n" in str(finding)] == []
    assert [finding for finding in found if finding.state is State.BAD and not finding.remedy] == []
