"""The dashboard of the template that is really produced: every graph has data, and nothing hides another."""

import re
from itertools import combinations
from pathlib import Path

import pytest

from chalicelib import observability
from ops.packaging import merge
from tests.support.dashboard import body_of, metrics_of

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "operations.md").read_text("utf-8")
DIMENSIONS = {
    "AWS/ApiGateway": {"ApiName": "<AWS::StackName>", "Stage": "<RestAPIapiStage>"},
    "AWS/Athena": {"WorkGroup": "<QueryWorkGroup>"},
    "AWS/Firehose": {"DeliveryStreamName": "<Archive>"},
    "AWS/Kinesis": {"StreamName": "<EventStream>"},
    "AWS/SQS": {"QueueName": "<QuarantineQueue>"},
    "PersonalizeApi": {"service": "<AWS::StackName>"},
}


@pytest.fixture(scope="module")
def template(packaged):
    return merge.load(packaged.template_path.read_text())


@pytest.fixture(scope="module", params=["on AWS", "emulated"])
def is_emulated(request):
    return request.param == "emulated"


@pytest.fixture(scope="module")
def widgets(template, is_emulated):
    return body_of(template, is_emulated=is_emulated)["widgets"]


def documented():
    """The metrics of our namespace in the operators' guide."""
    table = GUIDE.split("| metric | unit | meaning |\n|---|---|---|\n")[1].split("\n\n")[0]
    return {
        name for row in table.splitlines() for name in re.findall(r"`([A-Za-z0-9-]+)`", row.split("|")[1])
    }


def test_every_metric_of_ours_is_one_that_the_functions_emit(widgets):
    shown = {
        name for each in widgets for space, name, _ in metrics_of(each) if space == observability.NAMESPACE
    }
    assert shown <= documented()
    assert shown >= {"Accepted", "Delivered", "Quarantined", "Retried", "Rejected", "SpoiledRows"}
    durations = {name for name in documented() if name.endswith("Duration")}
    assert shown >= durations | {name for name in documented() if re.match("Status|Source", name)}


def test_every_metric_is_one_of_this_stack(widgets):
    found = [metric for each in widgets for metric in metrics_of(each)]
    for namespace, name, dimensions in found:
        if namespace == "AWS/Lambda":
            assert dimensions.keys() == {"FunctionName"}, name
            assert dimensions["FunctionName"] in {"<APIHandler>", "<DeliverEvents>"}
        else:
            assert dimensions == DIMENSIONS[namespace], name
    assert {namespace for namespace, _, _ in found} == DIMENSIONS.keys() | {"AWS/Lambda"}


def test_every_widget_is_on_the_grid_and_none_covers_another(widgets):
    cells = [
        {(x, y) for x in range(w["x"], w["x"] + w["width"]) for y in range(w["y"], w["y"] + w["height"])}
        for w in widgets
    ]
    assert {x for each in cells for x, _ in each} == set(range(24))
    assert [pair for pair in combinations(cells, 2) if pair[0] & pair[1]] == []


def test_every_graph_has_a_title_a_region_and_expressions_on_metrics_that_it_has(widgets):
    titles = [each["properties"]["title"] for each in widgets]
    assert len(titles) == len(set(titles))
    for graph in (each["properties"] for each in widgets if each["type"] == "metric"):
        assert graph["region"] == "eu-west-1"
        options = [entry[-1] for entry in graph["metrics"] if isinstance(entry[-1], dict)]
        ids = {each["id"] for each in options if "id" in each}
        used = " ".join(each["expression"] for each in options if "expression" in each)
        assert {*re.findall(r"[a-z]+", used)} == ids


def test_the_calls_are_drawn_against_the_quota_a_second(widgets):
    [graph] = [each for each in widgets if each["properties"]["title"] == "PutEvents calls a second"]
    assert graph["properties"]["metrics"][0] == [
        {"expression": "calls / PERIOD(calls)", "label": "PutEventsCalls a second"}
    ]
    assert [line["value"] for line in graph["properties"]["annotations"]["horizontal"]] == [1000]


def test_every_alarm_that_is_there_is_shown(template, widgets, is_emulated):
    [shown] = [each["properties"]["alarms"] for each in widgets if each["type"] == "alarm"]
    names = {
        name
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::Alarm" and not (is_emulated and "Condition" in resource)
    }
    assert sorted(shown) == sorted(
        f"arn:aws:cloudwatch:eu-west-1:111122223333:alarm:<{name}>" for name in names
    )


def test_the_guide_says_what_each_row_shows(widgets):
    section = GUIDE.split("## The dashboard\n")[1].split("\n## ")[0]
    rows = sorted({each["y"] for each in widgets})
    table = [row for row in section.splitlines() if re.match(r"\| \d", row)]
    assert len(table) == len(rows)
    for row, y in zip(table, rows, strict=True):
        for each in widgets:
            if each["y"] == y:
                assert each["properties"]["title"] in row


def test_the_output_leads_to_the_dashboard_of_the_stack(template):
    assert template["Resources"]["Dashboard"]["Properties"]["DashboardName"] == {"Ref": "AWS::StackName"}
    assert template["Outputs"]["DashboardUrl"]["Value"]["Fn::Sub"].endswith(
        "?region=${AWS::Region}#dashboards/dashboard/${Dashboard}"
    )


def test_the_template_of_the_other_flow_has_the_same_dashboard(widgets, is_emulated):
    """There access.yaml is a template of its own, and its parameters bear the names of the resources."""
    access = merge.load((ROOT / "resources" / "access.yaml").read_text("utf-8"))
    alone = body_of(access, is_emulated=is_emulated)["widgets"]
    assert [each["properties"]["title"] for each in alone] == [
        each["properties"]["title"] for each in widgets
    ]
    services = {
        dimensions["service"]
        for each in alone
        for _, _, dimensions in metrics_of(each)
        if "service" in dimensions
    }
    assert services == {"<ServiceName>"}
