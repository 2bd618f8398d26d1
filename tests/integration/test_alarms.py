"""Which alarm tells which fault: computed from the packaged template and a model of the metrics.

The table in docs/operations.md is the result. AWS alone can show that its metrics behave like the model. Each
rule of the model names the page that says so.
"""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from ops.capacity.prices import Prices
from ops.packaging import merge
from tests.support.cloudwatch import calculate, minute_of_alarm
from tests.support.symptoms import GIVE_UP_MINUTES, HEALTHY_MINUTES, Batch, State, samples_of

GUIDE = Path(__file__).parents[2] / "docs" / "operations.md"
LONGEST = GIVE_UP_MINUTES + 60
"""Minutes of a fault: until after the first batch was given up."""

FAULTS = {
    "The event source is disabled or deleted": State(batch=Batch.NEVER_STARTED),
    "The function's role may not read the stream": State(batch=Batch.NEVER_STARTED),
    "The function is never started: no concurrency is left": State(batch=Batch.NEVER_STARTED),
    "The function crashes or times out at every batch": State(batch=Batch.CRASHED),
    "Personalize is down, throttles everything, or refuses the role": State(batch=Batch.RETRIED),
    "The same after `chalice deploy`, where the function raises": State(batch=Batch.RETRIED, reports=False),
    "Personalize throttles a part of each batch": State(batch=Batch.PARTLY_RETRIED),
    "Personalize refuses some events for good": State(quarantined=1),
    "The same, and the quarantine queue is out of reach": State(batch=Batch.RETRIED),
    "Personalize is down, and the bucket refuses what is given up": State(
        batch=Batch.RETRIED, stores_given_up=False
    ),
    "Firehose may not read the stream, or is gone": State(firehose_reads=False),
    "Firehose reads too slowly: others use up the reads of the shards": State(firehose_falls_behind=True),
    "Firehose may not write into the bucket": State(firehose_writes=False),
    "Another producer puts records without a newline at their end": State(spoiled_rows=1),
    "The stream takes no events": State(stream_takes=False),
    "The stream is slow: requests with events take three seconds": State(slow_requests=30),
    "The API's function fails": State(failing_requests=5),
    "The campaign is missing, slow or failing, or refuses the role; nothing stands in": State(
        failing_requests=30, stand_ins=30
    ),
    "The same, and an old list or a fallback stands in": State(stand_ins=30),
    "A client sends invalid events": State(invalid_events=6),
    "No client sends anything": State(traffic=False),
}
"""The faults in the order of the table, with the state that each leaves."""


@pytest.fixture(scope="module")
def alarms(packaged):
    resources = merge.load(packaged.template_path.read_text())["Resources"]
    return {
        name: each["Properties"]
        for name, each in resources.items()
        if each["Type"] == "AWS::CloudWatch::Alarm"
    }


def ringing(alarms, state, minutes=LONGEST):
    """Return the alarms that go off, and after how many minutes with the fault; the first one first."""
    samples = samples_of(state, minutes)
    after = {name: minute_of_alarm(alarm, samples) for name, alarm in alarms.items()}
    rung = {name: minute - HEALTHY_MINUTES for name, minute in after.items() if minute is not None}
    return dict(sorted(rung.items(), key=lambda each: (each[1], each[0])))


def row(alarms, fault):
    """Return a fault's row of the table."""
    rung = [
        f"`{name}` ({f'{minutes} min' if minutes < 120 else f'{minutes // 60} h'})"
        for name, minutes in ringing(alarms, FAULTS[fault]).items()
    ]
    return f"| {fault} | {', '.join(rung) or 'none'} |"


def test_a_healthy_deployment_rings_no_alarm(alarms):
    assert ringing(alarms, State()) == {}
    assert ringing(alarms, State(traffic=False)) == {}


def test_the_table_of_the_guide_is_what_the_template_does(alarms):
    table = re.search(r"\| fault \| alarms.*\n\|---\|---\|\n((?:\|.*\n)+)", GUIDE.read_text("utf-8"))
    computed = "\n".join(row(alarms, fault) for fault in FAULTS)
    assert table, f"docs/operations.md has no table of faults. It is:\n{computed}"
    assert table.group(1).strip() == computed


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "No client sends anything"])
def test_every_fault_rings_an_alarm_within_half_an_hour(alarms, fault):
    assert ringing(alarms, FAULTS[fault], minutes=30)


def test_every_alarm_is_rung_by_a_fault(alarms):
    assert {name for state in FAULTS.values() for name in ringing(alarms, state)} == alarms.keys()


def test_only_the_calculated_alarms_tell_that_delivery_or_archive_stopped_altogether(alarms):
    """Every other alarm reads a metric that nobody publishes any more, and silence counts as health."""
    single = {name: alarm for name, alarm in alarms.items() if "Metrics" not in alarm}
    stopped = State(batch=Batch.NEVER_STARTED, firehose_reads=False)
    assert ringing(single, stopped) == {}
    assert ringing(alarms, stopped).keys() == {"DeliveryStoppedAlarm", "ArchiveStoppedAlarm"}


def test_what_stopped_is_told_with_the_next_events_and_not_in_silence(alarms):
    stopped = State(batch=Batch.NEVER_STARTED, firehose_reads=False)
    assert ringing(alarms, replace(stopped, traffic=False)) == {}


def test_a_batch_that_cannot_be_stored_is_told_when_it_is_given_up(alarms):
    fault = "Personalize is down, and the bucket refuses what is given up"
    assert ringing(alarms, FAULTS[fault])["GivenUpNotStoredAlarm"] >= GIVE_UP_MINUTES
    assert "GivenUpNotStoredAlarm" not in ringing(alarms, State(batch=Batch.RETRIED))


def test_alarms_on_calculated_metrics_are_left_out_where_the_emulator_is(packaged):
    template = merge.load(packaged.template_path.read_text())
    calculated = {
        name
        for name, each in template["Resources"].items()
        if each["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in each["Properties"]
    }
    conditional = {
        name
        for name, each in template["Resources"].items()
        if each["Type"] == "AWS::CloudWatch::Alarm" and each.get("Condition") == "OnAws"
    }
    assert calculated == conditional != set()
    assert template["Conditions"]["OnAws"] == {"Fn::Equals": [{"Ref": "Emulated"}, "false"]}
    assert template["Parameters"]["Emulated"]["Default"] == "false"


def test_the_alarms_cost_what_the_deployment_guide_says(alarms):
    """CloudWatch bills an alarm for each metric that it reads."""
    metrics = sum(
        sum("MetricStat" in each for each in alarm.get("Metrics", [])) or 1 for alarm in alarms.values()
    )
    price = metrics * 0.10
    row_of_guide = f"| {len(alarms)} alarms on {metrics} metrics | {metrics} × 0.10 | {price:.2f} |"
    assert row_of_guide in (GUIDE.parent / "deploy.md").read_text("utf-8")
    assert Prices().alarms_metrics_key == pytest.approx(price + 4.80 + 1.00)


DIMENSIONS = {
    "AWS/ApiGateway": [
        {"Name": "ApiName", "Value": {"Ref": "AWS::StackName"}},
        {"Name": "Stage", "Value": {"Ref": "RestAPIapiStage"}},
    ],
    "AWS/Kinesis": [{"Name": "StreamName", "Value": {"Ref": "EventStream"}}],
    "AWS/Lambda": [{"Name": "FunctionName", "Value": {"Ref": "DeliverEvents"}}],
    "AWS/Firehose": [{"Name": "DeliveryStreamName", "Value": {"Ref": "Archive"}}],
    "AWS/SQS": [{"Name": "QueueName", "Value": {"Fn::GetAtt": ["QuarantineQueue", "QueueName"]}}],
    "PersonalizeApi": [{"Name": "service", "Value": {"Ref": "AWS::StackName"}}],
}


def test_every_alarm_reads_the_metrics_of_this_stack(alarms):
    """A metric with another dimension has no data, and silence is health."""
    for alarm in alarms.values():
        metrics = [each["MetricStat"]["Metric"] for each in alarm.get("Metrics", []) if "MetricStat" in each]
        for metric in metrics or [alarm]:
            assert metric["Dimensions"] == DIMENSIONS[metric["Namespace"]]


@pytest.mark.parametrize(
    ("incoming", "invoked", "value"), [(5, None, 1), (5, 0, 1), (5, 2, 0), (None, None, 0), (None, 3, 0)]
)
def test_the_expression_counts_missing_data_as_zero(alarms, incoming, invoked, value):
    [expression] = [e["Expression"] for e in alarms["DeliveryStoppedAlarm"]["Metrics"] if "Expression" in e]
    assert calculate(expression, {"incoming": incoming, "invoked": invoked}) == value
    unfilled = re.sub(r"FILL\((\w+),0\)", r"\1", expression)
    if invoked is None:
        assert calculate(unfilled, {"incoming": incoming, "invoked": invoked}) != 1
