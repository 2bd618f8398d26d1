"""What the facts about one event say, and which event of a record has an id."""

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone

import pytest

from ops.archive.days import Days
from ops.errors import InputError
from ops.given_ids import check_id
from ops.trace import identifiers
from ops.trace.archived import to_row
from ops.trace.facts import Archived, Delivery, DeliveryLine, Facts, Given, Period, Search, UndeliveredCopy
from ops.trace.judging import arrived_by, report
from tests.support.factories import NOW, aggregate, json_lines, kinesis_record, request

ADDRESS = "s3://archive/events/dt=2026-01-31/archive-1-2026-01-31-11-58-00-0a0b"
ROW = {
    "receivedat": "2026-01-31T12:00:00.000Z",
    "sentat": "",
    "userid": "ann",
    "sessionid": "s1",
    "eventtype": "read",
    "event": '{"itemId":"dracula"}',
    "action": "",
    "dt": "2026-01-31",
    "object": ADDRESS,
    "all_rows": "1",
}
COPY = UndeliveredCopy("refused: no", NOW, True, "shardId-000000000000:7")
LATER = NOW + timedelta(minutes=30)


def archived(*changes):
    rows = [to_row({**ROW, **change}) for change in changes or ({},)]
    return Archived(rows, len(rows))


def facts(**changes):
    """An event on AWS that was delivered, unless changed."""
    days = Days(date(2026, 1, 25), date(2026, 1, 31))
    periods = [Period(NOW + timedelta(minutes=number), timedelta(seconds=1)) for number in (0, 8, 16)]
    delivery = Delivery(periods, retention=timedelta(hours=72))
    return Facts(
        **{
            "event_id": "id-1",
            "stage": "prod",
            "days": days,
            "now": LATER,
            "archived": archived(),
            "quarantine": Search(),
            "given_up": Search(),
            "given": None,
            "delivery": delivery,
            **changes,
        }
    )


def told(**changes):
    found = report(facts(**changes))
    return found.is_found, found.lines


def test_a_delivered_event_has_its_row_and_object():
    is_found, lines = told()
    assert is_found
    assert lines[0].startswith("delivered    Since 2026-01-31T12:01Z no batch of delivery")
    assert lines[1] == "accepted     2026-01-31T12:00:00.000Z  read of dracula, session s1, user ann"
    assert lines[2].split() == [ADDRESS]
    assert lines[3] == "quarantine   not there (0 messages searched)"
    assert lines[4] == "given up     not there (0 batches searched)"


def test_each_further_row_says_what_it_is():
    later = {"receivedat": "2026-01-31T12:00:09.000Z"}
    _, lines = told(archived=archived({}, {}, later, {**later, "event": '{"itemId":"emma"}'}))
    labels = [line[:12].strip() for line in lines if "session" in line]
    assert labels == ["accepted", "stored again", "sent again", "id reused"]
    assert any("Personalize trains on the first one only" in line for line in lines)


def test_a_quarantined_event_says_why_and_what_to_do():
    _, lines = told(quarantine=Search([COPY], 3))
    assert lines[0] == "quarantined  refused: no"
    assert lines[1] == "to do        Remove the cause, then: make redrive STAGE=prod"
    assert "quarantine   since 2026-01-31T12:00:00.000Z, shardId-000000000000:7" in lines


def test_an_event_that_breaks_the_contract_needs_a_repair():
    _, lines = told(quarantine=Search([replace(COPY, keeps_contract=False)], 3))
    assert "ARGS='--repair repair.py'" in lines[1]


def test_a_batch_that_was_given_up_is_put_back_by_another_option():
    _, lines = told(given_up=Search([replace(COPY, where="s3://archive/aws/lambda/x")], 1))
    assert lines[0].startswith("given up     Lambda gave its batch up: refused: no")
    assert "make doctor STAGE=prod" in lines[1] and "make redrive STAGE=prod ARGS=--given-up" in lines[1]
    assert any("s3://archive/aws/lambda/x" in line for line in lines)


@pytest.mark.parametrize(
    ("search", "said"),
    [
        (Search((), 5000, has_more=True), "not among the first 5,000 messages; there may be more"),
        (Search((), 2, hidden=7), "7 more are held by another reader"),
        (Search(problem="These credentials may not call ReceiveMessage"), "could not be searched: These"),
    ],
)
def test_what_was_not_searched_leaves_it_open_whether_it_was_delivered(search, said):
    _, lines = told(quarantine=search)
    assert lines[0].startswith("not known    It was delivered, or it is in the quarantine")
    assert any(said in line for line in lines)


def test_a_place_that_cannot_be_asked_hides_no_other():
    is_found, lines = told(archived=Archived(problem="no rights"), quarantine=Search([COPY], 1))
    assert is_found and lines[0].startswith("quarantined")
    assert "archive      could not be asked: no rights" in lines


def test_an_archive_that_cannot_be_asked_is_not_one_without_the_event():
    is_found, lines = told(archived=Archived(problem="no rights"))
    assert not is_found and lines[0].startswith("not known    The archive could not be asked")


def test_more_rows_than_were_read_prove_nothing():
    _, lines = told(archived=replace(archived(), total=400))
    assert lines[0].startswith("not known    It has more rows")
    assert any("and 399 more rows" in line for line in lines)


def test_nothing_found_says_what_to_check():
    is_found, lines = told(archived=Archived())
    assert not is_found
    assert lines[0] == "not found    2026-01-25 to 2026-01-31, stage prod."
    text = "\n".join(lines)
    assert "ask again after 2026-01-31T12:40Z" in text and "FROM=" in text and "400" in text
    assert "derives" not in text


def test_an_id_of_delivery_says_why_the_archive_does_not_know_it():
    _, lines = told(archived=Archived(), event_id="shardId-000000000000:4958:3")
    text = "\n".join(lines)
    assert "events of other producers have none there" in text and "delivery derives one like this" in text


def test_what_the_local_engine_has_is_delivered():
    _, lines = told(given=Given(NOW), archived=Archived())
    assert lines[0] == "delivered    Personalize has it since 2026-01-31T12:00:00.000Z."
    _, lines = told(given=Given(NOW), quarantine=Search([COPY], 1))
    assert "A copy waits" in lines[1]


@pytest.mark.parametrize(
    ("seconds", "lines", "said"),
    [
        (3, [], "takes about a second: ask again"),
        (60, [], "after 60 seconds. The log of delivery says why"),
        (60, [DeliveryLine(NOW - timedelta(seconds=9), timedelta(0), ["Before."])], "after 60 seconds"),
        (
            60,
            [DeliveryLine(NOW + timedelta(seconds=40), timedelta(seconds=40), ["Throttled."])],
            "Delivery is 40 seconds behind. The log says: Throttled.",
        ),
        (
            900,
            [DeliveryLine(NOW + timedelta(seconds=700), timedelta(seconds=700), ["Throttled."])],
            "Delivery is 11 minutes behind.",
        ),
    ],
)
def test_what_the_local_engine_does_not_have_waits(seconds, lines, said):
    _, found = told(given=Given(), delivery=Delivery(lines=lines), now=NOW + timedelta(seconds=seconds))
    assert found[0].startswith("waiting") and said in found[0]


@pytest.mark.parametrize("given", [Given(has_more=True), Given(problem="it does not respond.")])
def test_an_engine_that_could_not_be_searched_is_no_proof(given):
    _, lines = told(given=given)
    assert lines[0].startswith("not known    Whether Personalize has it is not known")


def test_what_clients_choose_controls_no_terminal():
    hostile = {"sessionid": "a\x1b[2J\nb", "userid": "x" * 500, "event": '{"itemId":"\\u001b]0;t\\u0007"}'}
    _, lines = told(archived=archived(hostile))
    assert all(line.isprintable() for line in lines) and max(map(len, lines)) < 400


def test_an_event_that_was_put_back_was_in_the_stream_when_its_object_says():
    back = {"object": ADDRESS.replace("11-58-00", "19-00-00")}
    rows = archived({}, back).rows
    assert arrived_by(rows[:1], LATER) == NOW
    assert arrived_by(rows, NOW + timedelta(days=1)) == datetime(2026, 1, 31, 19, 5, tzinfo=timezone.utc)
    assert arrived_by(rows, LATER) == LATER


def test_a_row_of_another_producer_came_when_its_object_says():
    [row] = archived({"receivedat": "", "event": "[1]"}).rows
    assert row.received_at is None and row.subject == ""
    assert arrived_by([row], LATER) == datetime(2026, 1, 31, 12, 3, tzinfo=timezone.utc)
    [unnamed] = archived({"receivedat": "", "object": "s3://archive/events/dt=2026-01-31/x"}).rows
    assert unnamed.stored_at == datetime(2026, 2, 1, tzinfo=timezone.utc)


def test_an_event_is_found_by_its_own_id_and_by_its_place():
    several = json_lines(request(EventId="own"), request())
    for data in (several, aggregate(request(EventId="own"), request())):
        record = kinesis_record(data, number=7)
        assert identifiers.find_event(record, "own").index == 0
        assert identifiers.find_event(record, "shardId-000000000000:7:1").index == 1
        assert identifiers.find_event(record, "shardId-000000000000:7") is None
    alone = kinesis_record(request(EventId="own"), number=7)
    for known in ("own", "shardId-000000000000:7"):
        assert identifiers.find_event(alone, known) is alone
    broken = kinesis_record(b"{", number=8)
    assert identifiers.find_event(broken, "shardId-000000000000:8") is broken
    assert not identifiers.keeps_contract(broken) and identifiers.keeps_contract(alone)


@pytest.mark.parametrize(
    ("event_id", "is_derived"),
    [
        ("shardId-000000000000:4958", True),
        ("shardId-000000000000:4958:12", True),
        ("shardId-000000000000:4958:12:0", True),
        ("shardId-000000000000", False),
        ("order:4711", False),
        ("", False),
    ],
)
def test_an_id_of_delivery_is_known_by_its_form(event_id, is_derived):
    assert identifiers.is_derived(event_id) is is_derived


@pytest.mark.parametrize("event_id", ["", "  ", "x" * 257, "\udcff"])
def test_what_no_event_has_as_its_id_is_refused(event_id):
    with pytest.raises(InputError, match="EVENT is"):
        check_id(event_id, "EVENT is the EventId of a response")
