"""The lines that ``make run`` shows for the functions' log lines."""

import json

import pytest

from chalicelib import observability
from local.log_view import to_line, unfinished_lines, without_expected_end, without_expected_tracebacks


def emitted(capsys, message, counts, **fields):
    observability.emit(message, counts, service="s", milliseconds=12.3, **fields)
    return capsys.readouterr().out


def test_a_request_is_shown_with_status_route_and_time(capsys):
    line = to_line(emitted(capsys, "Recommendations", {"Status2xx": 1}, status=200, requestId="r"))
    assert line.split() == ["200", "POST", "/recommendations", "12", "ms"]


def test_a_batch_is_shown_with_its_accepted_and_rejected_events(capsys):
    counts = {"Accepted": 3, "Rejected": 1}
    assert to_line(emitted(capsys, "History", counts, status=202)).endswith("3 accepted, 1 rejected")


def test_lists_that_are_not_personalizes_are_shown(capsys):
    """Of a page, each list has a value of its own in the share."""
    counts = {
        "SourcePersonalize": 3,
        "SourceStale": 1,
        "SourceFallback": 2,
        "NotPersonalize": [0, 0, 0, 1, 1, 1],
    }
    line = to_line(emitted(capsys, "Recommendations", counts, status=200))
    assert line.endswith("1 stale, 2 fallback")


def test_a_failure_is_shown_with_its_reason(capsys):
    line = to_line(emitted(capsys, "History", {"Accepted": 0}, status=503, reason="UnavailableError: gone"))
    assert line.endswith("UnavailableError: gone")


def test_a_delivery_is_shown_with_the_outcome_of_its_records(capsys):
    counts = {"Delivered": 9, "Quarantined": 1, "Retried": 2, "PutEventsCalls": 1, "OldestEventAge": 1.0}
    line = to_line(emitted(capsys, "Delivery", counts, reasons={"Personalize is throttling.": 2}))
    assert "9 delivered, 1 quarantined, 2 retried  in 1 call" in line
    assert line.endswith("Personalize is throttling. (2)")


@pytest.mark.parametrize("noise", ["", "\n", "START RequestId: 1", "END RequestId: 1", "REPORT RequestId: 1"])
def test_the_platforms_own_lines_are_left_out(noise):
    assert to_line(noise) is None


@pytest.mark.parametrize("logged", ["Traceback (most recent call last):", "[1, 2]", '{"message": "other"}'])
def test_a_line_of_another_program_is_shown_as_it_is(logged):
    assert to_line(logged + "\n") == logged


def test_an_error_line_of_the_logger_is_shown():
    assert "KeyError" in to_line(
        json.dumps({"level": "ERROR", "message": "Unexpected error", "error": "KeyError"})
    )


def lines(*texts):
    return [(1, text) for text in texts]


def test_the_traceback_of_a_delivery_that_will_be_repeated_is_left_out():
    before, after = lines("before"), lines("after")
    expected = lines(
        "Traceback (most recent call last):",
        '  File "app.py", line 1',
        "chalicelib.errors.DeliveryIncompleteError: 2",
    )
    assert list(without_expected_tracebacks(before + expected + after)) == before + after


def test_any_other_traceback_is_shown_whole_and_in_order():
    other = lines(
        "Traceback (most recent call last):", '  File "b.py"', '  File "a.py"', "KeyError: 1", "after"
    )
    assert list(without_expected_tracebacks(other)) == other


HEAD, FRAME, END = (
    (1, "Traceback (most recent call last):"),
    (1, '  File "app.py", line 1, in deliver_events'),
    (1, "chalicelib.errors.DeliveryIncompleteError: 1 records have to be delivered again."),
)
OTHER = (2, '{"message": "Health"}')


@pytest.mark.parametrize(
    ("lines", "unfinished"),
    [
        ([], 0),
        ([OTHER], 0),
        ([OTHER, HEAD], 1),
        ([OTHER, HEAD, FRAME, FRAME], 3),
        ([HEAD, FRAME, END], 0),
        ([HEAD, FRAME, END, OTHER, HEAD], 1),
    ],
)
def test_a_traceback_at_the_end_of_a_page_waits_for_its_last_line(lines, unfinished):
    assert unfinished_lines(lines) == unfinished


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        ([FRAME, END, OTHER], [OTHER]),
        ([END, OTHER], [OTHER]),
        ([FRAME, (1, "KeyError: 'x'"), OTHER], [FRAME, (1, "KeyError: 'x'"), OTHER]),
        ([FRAME], [FRAME]),
        ([OTHER, HEAD, FRAME, END], [OTHER, HEAD, FRAME, END]),
        ([], []),
    ],
)
def test_the_end_of_an_expected_traceback_is_not_shown_where_its_beginning_was_dropped(lines, shown):
    assert without_expected_end(lines) == shown
