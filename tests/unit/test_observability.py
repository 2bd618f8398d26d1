"""The log line: what CloudWatch reads as metrics, and what it costs."""

import json

import pytest

from chalicelib import observability
from chalicelib.delivery.outcome import Outcome


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def emit(message="Delivery", counts=None, **fields):
    observability.emit(message, counts or {}, service="stack-1", milliseconds=12.34, **fields)


@pytest.mark.parametrize(
    "counts", [{"Status2xx": 1}, {"Status2xx": 1, "Accepted": 3, "Rejected": 0}, Outcome().counts]
)
def test_every_count_is_a_metric_with_a_value_in_the_embedded_metric_format(capsys, counts):
    emit("History", counts)
    (line,) = lines(capsys)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == observability.NAMESPACE
    assert directive["Dimensions"] == [["service"]]
    assert line["service"] == "stack-1"
    named = {metric["Name"] for metric in directive["Metrics"]}
    assert named == {*counts, "HistoryDuration"}
    assert {name: line[name] for name in counts} == {name: [value] for name, value in counts.items()}
    assert line["HistoryDuration"] == [12.3]
    assert line["_aws"]["Timestamp"] > 1_700_000_000_000  # milliseconds


def test_metrics_say_their_unit(capsys):
    emit(counts={"Delivered": 2, "OldestEventAge": 1.5})
    (line,) = lines(capsys)
    units = {metric["Name"]: metric["Unit"] for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
    assert units == {"Delivered": "Count", "OldestEventAge": "Seconds", "DeliveryDuration": "Milliseconds"}


def test_fields_are_read_and_not_counted(capsys):
    emit(requestId="r-1", reason='said "no"')
    (line,) = lines(capsys)
    assert (line["requestId"], line["reason"]) == ("r-1", 'said "no"')
    assert [metric["Name"] for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]] == [
        "DeliveryDuration"
    ]


def test_a_line_of_a_request_is_short(capsys):
    counts = {"Status2xx": 1, "Accepted": 500, "Rejected": 0}
    emit("History", counts, status=202, requestId="c6af9ac6-7b61-11e6-9a41-93e8deadbeef", reason=None)
    assert len(capsys.readouterr().out) < 512


def test_a_report_says_kind_and_place_of_an_error_and_quotes_nothing(capsys):
    try:
        dict[str, str]()["user-77"]
    except KeyError as error:
        observability.report(error, service="stack-1", request_id="r-1")
    printed = capsys.readouterr().out
    line = json.loads(printed)
    assert (line["level"], line["error"], line["requestId"]) == ("ERROR", "KeyError", "r-1")
    assert "test_observability.py" in line["stack"][0]
    assert "user-77" not in printed
