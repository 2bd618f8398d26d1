"""The event source mapping changes in Lambda's own time: rehearsed against a fake with Lambda's states."""

import pytest
from botocore.exceptions import ClientError

from ops.access import event_source_settings
from ops.errors import StackError
from ops.event_source import DEADLINE_SECONDS, EventSource, differing
from ops.packaging.bundle import ROOT
from ops.packaging.templates import Templates
from tests.support.fake_lambda import UUID, FakeLambda

WANTED = {"MaximumRecordAgeInSeconds": 172800, "MaximumRetryAttempts": -1}


def event_source(fake):
    return EventSource(fake.client, UUID, fake.sleep, fake.now)


def test_the_fake_refuses_a_change_while_another_is_under_way():
    fake = FakeLambda("Updating", seconds=30)
    with pytest.raises(ClientError, match="ResourceInUseException"):
        fake.client.update_event_source_mapping(UUID=UUID, **WANTED)


@pytest.mark.parametrize("state", ["Creating", "Updating", "Enabling", "Disabling"])
def test_a_change_waits_for_the_one_that_chalice_has_just_made_and_for_its_own_end(state):
    fake = FakeLambda(state, seconds=30)
    assert event_source(fake).configure(WANTED)
    assert (fake.updates, fake.refused) == ([WANTED], 0)
    assert fake.state == "Enabled"
    assert fake.clock >= 40


def test_nothing_is_called_where_nothing_differs():
    fake = FakeLambda(**WANTED, BatchSize=100)
    assert not event_source(fake).configure(WANTED)
    assert (fake.updates, fake.clock) == ([], 0)


def test_a_change_of_somebody_else_in_between_is_waited_for():
    fake = FakeLambda()
    fake.intruder_at = 0
    assert event_source(fake).configure(WANTED)
    assert (fake.updates, fake.refused) == ([WANTED], 1)


def test_a_mapping_that_somebody_has_disabled_is_changed_and_stays_disabled():
    fake = FakeLambda("Disabled", **WANTED)
    assert not event_source(fake).configure(WANTED)
    assert fake.state == "Disabled"


@pytest.mark.parametrize(
    ("seconds", "update_seconds"), [(10 * DEADLINE_SECONDS, 1), (0, 10 * DEADLINE_SECONDS)]
)
def test_a_mapping_that_does_not_settle_is_given_up_at_the_deadline(seconds, update_seconds):
    fake = FakeLambda("Updating" if seconds else "Enabled", seconds, update_seconds)
    with pytest.raises(
        StackError, match=r"is Updating and does not become Enabled.*get-event-source-mapping"
    ):
        event_source(fake).configure(WANTED)
    assert DEADLINE_SECONDS <= fake.clock < 1.1 * DEADLINE_SECONDS


def test_a_mapping_that_is_being_deleted_is_not_waited_for():
    fake = FakeLambda("Deleting")
    with pytest.raises(StackError, match="is Deleting"):
        event_source(fake).configure(WANTED)
    assert fake.clock == 0


REPORT = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}
TO_A = {"DestinationConfig": {"OnFailure": {"Destination": "a"}}}


@pytest.mark.parametrize(
    ("found", "wanted", "names"),
    [
        ({}, {"FunctionResponseTypes": []}, set()),
        (REPORT, {"FunctionResponseTypes": []}, {"FunctionResponseTypes"}),
        ({}, REPORT, {"FunctionResponseTypes"}),
        ({"DestinationConfig": {**TO_A["DestinationConfig"], "OnSuccess": {}}}, TO_A, set()),
        ({"DestinationConfig": {"OnFailure": {}}}, TO_A, {"DestinationConfig"}),
        ({"MaximumRetryAttempts": 3}, {"MaximumRetryAttempts": -1}, {"MaximumRetryAttempts"}),
        ({}, {"MaximumRetryAttempts": -1}, {"MaximumRetryAttempts"}),
    ],
)
def test_only_what_differs_is_a_reason_for_a_call(found, wanted, names):
    assert differing(found, wanted) == names


def test_the_second_deployment_finds_the_settings_of_the_first():
    settings = event_source_settings(Templates.read(ROOT).event_source_settings(), "archive", "us-east-1")
    fake = FakeLambda()
    assert event_source(fake).configure(settings)
    assert not event_source(fake).configure(settings)
    assert fake.updates == [settings]
    assert settings["DestinationConfig"]["OnFailure"]["Destination"] == "arn:aws:s3:::archive"
