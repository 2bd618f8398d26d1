"""The export of odd lines, and whose an event is: held against the engine, which gets the events live."""

import csv
import io
import json
from contextlib import closing
from datetime import date, datetime, timedelta, timezone
from random import Random

import pytest

from chalicelib import records, timestamps
from local.personalize.interactions import Interactions
from ops.archive.days import Days
from ops.archive.engine import BoundQuery
from ops.archive.interactions import EXPORTED, ImportFile, parse_properties
from ops.archive.local_engine import ArchivedObject, LocalEngine
from ops.archive.saved_queries import find_query
from ops.errors import InputError

pytestmark = pytest.mark.slow

DAY = date(2026, 1, 5)
DAYS = Days(DAY, DAY)
NOON = datetime(2026, 1, 5, 12, tzinfo=timezone.utc)
KEY = f"events/dt={DAY}/archive-1-{DAY}-11-59-00-00000000-0000-0000-0000-000000000000"
GOOD = {
    "UserId": "ann",
    "SessionId": "s",
    "EventType": "view",
    "Event": {"itemId": "good"},
    "EventId": "good",
    "ReceivedAt": "2026-01-05T12:00:00.000Z",
}


def engine_over(content):
    """Return the engine over an archive of one object."""
    return LocalEngine(
        lambda: [ArchivedObject(KEY, len(content), NOON, lambda: closing(io.BytesIO(content)))], "bucket"
    )


def lines_of(*events):
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def exported(content, properties=""):
    """Return the rows of the export as dictionaries, and the counts of what is left out."""
    engine, file = engine_over(content), ImportFile.of(parse_properties(properties))
    with engine.run(file.rows_query(DAYS)) as result:
        rows = [dict(zip(file.header, row, strict=True)) for row in result.rows]
    with engine.run(file.counts_query(DAYS)) as result:
        counts = {what: int(events) for what, events, *_ in result.rows}
    assert counts.pop(EXPORTED, 0) == len(rows)
    return rows, counts


def sent_at(moment, random):
    """Return one of the spellings of a moment that the API takes."""
    ahead = timezone(timedelta(hours=random.choice([-12, 0, 5.5, 14, 15])))
    there = moment.astimezone(ahead).isoformat(timespec=random.choice(["milliseconds", "microseconds"]))
    return random.choice([moment.timestamp(), there, there.replace("T", " "), there.replace("T", "t")])


def batch(number, random):
    """Return the records of one request: a session in which ann, ben and nobody alternate."""
    requests = []
    for position in range(12):
        request = {
            "SessionId": f"{number}",
            "EventType": "view",
            "EventId": f"{number}-{position}",
            "Event": {"itemId": f"item-{random.randrange(5)}"},
        }
        if number % 3:
            request["SentAt"] = sent_at(NOON - timedelta(seconds=100 - 1.25 * position), random)
        user = random.choice([None, None, "ann", "ben"])
        requests.append(request | ({"UserId": f"{user}-{number}"} if user else {}))
    received_at = NOON + timedelta(seconds=number)
    return records.spaced(
        [records.from_request(each, received_at=received_at, new_id=lambda: "") for each in requests],
        received_at,
    )


def test_an_event_is_whose_the_live_engine_says_it_is():
    random = Random(4)
    sent = [record for number in range(60) for record in batch(number, random)]
    # A tenth comes twice: what is archived twice is trained on once.
    archived = [*sent, *random.sample(sent, len(sent) // 10)]
    rows, counts = exported(b"".join(record.data for record in archived))
    live, loaded = Interactions(), Interactions()
    for record in sent:
        happened_at = record.entry["sentAt"].timestamp()
        item = record.entry["itemId"]
        live.add_event(record.session_id, record.body.get("UserId"), item, happened_at, "view")
    loaded.add_history((r["USER_ID"], r["ITEM_ID"], float(r["TIMESTAMP"]), r["EVENT_TYPE"]) for r in rows)
    assert counts["sent or stored again"] == len(archived) - len(sent)
    for user in sorted({record.body["UserId"] for record in sent if "UserId" in record.body}):
        assert items(loaded, user) == items(live, user), user


def items(interactions, user):
    return [interactions.item_ids[index] for index in interactions.profile(user)]


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-05T12:00:00Z",
        "2026-01-05t12:00:00z",
        "2026-01-05 12:00:00+00:00",
        "2026-01-06T02:59:00+14:59",
        "2026-01-05T00:00:00-12:00",
        "2026-01-05T12:00:00.1234567890123456789Z",
        "2026-01-05T11:59:60Z",
        1767614400,
        1767614400.75,
        "1767614400",
    ],
)
def test_the_time_of_an_event_is_that_of_delivery(text):
    wanted = (
        int(timestamps.parse(text, "SentAt").timestamp())
        if not isinstance(text, str) or "-" in text
        else 1767614400
    )
    [row], _ = exported(lines_of(GOOD | {"SentAt": text}))
    assert int(row["TIMESTAMP"]) == wanted


@pytest.mark.parametrize(
    "text", ["NaN", "yesterday", "2026-02-30T00:00:00Z", "-5", "9e99", "2026-01-05T12:00:00"]
)
def test_an_event_without_a_time_is_left_out_and_not_dated_by_its_arrival(text):
    rows, counts = exported(lines_of(GOOD | {"SentAt": text}))
    assert (rows, counts) == ([], {"without a time": 1})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "lines that hold no event"),
        (b"\xff\xfe\x00\x01 no json", "lines that hold no event"),
        (b'{"SessionId":"t","EventType":"v"', "lines that hold no event"),
        (b'["a","b"]', "lines that hold no event"),
        (b'{"SessionId":"t","UserId":"u","EventType":"v","Event":"text"}', "without an item"),
        (b'{"SessionId":"t","UserId":"u","EventType":"v","Event":{"itemId":{"a":1}}}', "without an item"),
        (b'{"SessionId":"t","UserId":"u","EventType":"v","Event":[1]}', "without an item"),
        (b'{"UserId":"u","EventType":"v","Event":{"itemId":"i"}}', "without a session"),
        (b'{"EventType":"v","Event":{"itemId":"secret"}}', "without a session"),
        (b'{"SessionId":"t","UserId":"u","Event":{"itemId":"i"}}', "without an event type"),
        (
            b'{"SessionId":"t","UserId":"u","EventType":"v","Event":{"itemId":"a\\nb"}}',
            "with a tab or a line end in an id",
        ),
        (
            b'{"SessionId":"t","UserId":"u","EventType":"v","Event":{"itemId":"' + b"i" * 257 + b'"}}',
            "with an id of more than 256 characters",
        ),
        (b'{"SessionId":"t","EventType":"v","Event":{"itemId":"i"}}', "of sessions without a user"),
        (
            b'{"SessionId":"s","EventType":"Taken","UserId":"x","Action":{"actionId":"a"}}',
            "action interactions",
        ),
    ],
)
def test_an_odd_line_is_counted_and_harms_no_other(line, reason):
    rows, counts = exported(lines_of(GOOD) + line + b"\n" + lines_of(GOOD | {"EventId": "later"}))
    assert [(row["USER_ID"], row["ITEM_ID"]) for row in rows] == [("ann", "good")] * 2
    assert counts == {reason: 1}


def test_lines_that_end_as_in_windows_are_lines():
    rows, _ = exported(lines_of(GOOD, GOOD | {"EventId": "2"}).replace(b"\n", b"\r\n"))
    assert len(rows) == 2


def test_of_two_joined_events_the_first_one_is_a_row_as_on_athena():
    rows, counts = exported(lines_of(GOOD, GOOD | {"EventId": "2"}).replace(b"}\n{", b"} {"))
    assert (len(rows), counts) == (1, {})


def test_values_that_are_not_of_their_type_are_empty():
    event = GOOD | {
        "Event": {
            "itemId": "i",
            "eventValue": "NaN",
            "w": 12.7,
            "b": "yes",
            "f": 1e39,
            "t": "a\tb\nc",
            "n": 12,
            "o": {"a": 1},
        },
        "Impression": ["a|b", "c"],
        "RecommendationId": "r\n",
    }
    [row], _ = exported(lines_of(event), "w:int,b:boolean,f:float,t,n:int,o")
    assert row["T"] == "a\tb c"
    assert row["N"] == "12"
    assert {row[name] for name in ("EVENT_VALUE", "W", "B", "F", "O", "IMPRESSION", "RECOMMENDATION_ID")} == {
        ""
    }


def test_an_impression_keeps_the_characters_of_its_ids():
    [row], _ = exported(lines_of(GOOD | {"Impression": ["\u00e9", 'quo"te', "com,ma"]}))
    assert row["IMPRESSION"] == '\u00e9|quo"te|com,ma'
    [row], _ = exported(lines_of(GOOD | {"Impression": "alone"}))
    assert row["IMPRESSION"] == "alone"


def test_a_property_may_be_called_like_a_column_of_the_query():
    events = [
        GOOD
        | {
            "EventId": str(n),
            "SentAt": 1767614400 + n,
            "Event": {"itemId": str(n), "happened": 9 - n, "arrived": 9 - n},
        }
        for n in range(3)
    ]
    rows, _ = exported(lines_of(*events), "happened:int,arrived:int")
    assert [row["ITEM_ID"] for row in rows] == ["0", "1", "2"]


def test_what_duckdb_cannot_do_is_a_sentence():
    with pytest.raises(InputError, match=r"DuckDB did not carry out the query: .* take fewer days"):
        exported(b'{"a":"' + b"x" * 40_000_000 + b'"}\n')
    with pytest.raises(InputError), engine_over(b"").run(BoundQuery("SELECT nothing FROM events", [], DAYS)):
        pass


def test_a_row_of_the_file_is_a_line():
    text = io.StringIO()
    rows, _ = exported(lines_of(GOOD | {"Event": {"itemId": "i", "t": "a\r\nb"}}), "t")
    csv.writer(text).writerow(rows[0].values())
    assert text.getvalue().count("\n") == 1


def test_an_access_request_shows_no_event_of_another_person():
    session = [("ann", 1), (None, 2), ("ben", 3), (None, 4)]
    events = [
        {
            "SessionId": "s",
            "EventType": "v",
            "EventId": str(at),
            "Event": {},
            "ReceivedAt": f"2026-01-05T12:00:0{at}.000Z",
        }
        | ({"UserId": user} if user else {})
        for user, at in session
    ]
    # Null is no session: what has none is nobody's.
    nobody = [
        {"EventType": "v", "EventId": "5", "Event": {}},
        {"EventType": "v", "EventId": "6", "UserId": "ann"},
    ]
    engine = engine_over(lines_of(*events, *nobody))
    shown = {}
    for user in ("ann", "ben", "cid"):
        with engine.run(find_query("person").bind(DAYS, {"USER": user})) as result:
            place = [column.name for column in result.columns].index("eventid")
            shown[user] = sorted(row[place] for row in result.rows)
    assert shown == {"ann": ["1", "2", "6"], "ben": ["3", "4"], "cid": []}


def test_steps_of_a_funnel_may_have_blanks_and_gaps():
    events = [GOOD | {"EventId": kind, "EventType": kind} for kind in ("view", "buy")]
    with engine_over(lines_of(*events)).run(
        find_query("funnel").bind(DAYS, {"STEPS": " view ,, buy,"})
    ) as result:
        assert [row[:4] for row in result.rows] == [["1", "view", "1", "1"], ["2", "buy", "1", "1"]]
