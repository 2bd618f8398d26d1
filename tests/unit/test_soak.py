"""The soak's traffic, plan and report: what is sent fits the contract, a broken promise is reported."""

import json
import re
from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from chalicelib import contract
from chalicelib.api import submissions
from chalicelib.errors import InvalidRequestError
from chalicelib.records import from_record, from_request
from simulation.poison import POISON
from simulation.soak.comparison import compare
from simulation.soak.connection import Response
from simulation.soak.evidence import Evidence
from simulation.soak.injector import POISON_REQUEST
from simulation.soak.invalid import INVALID
from simulation.soak.ledger import NO_RESPONSE, Ledger, merged
from simulation.soak.outcome import Outcome, outcome
from simulation.soak.processes import parse, parts_of
from simulation.soak.report import Result, Sample, report
from simulation.soak.scenario import FAULTS, Begin, Kill, Part, PutPoison, Scenario, plan
from simulation.soak.traffic import MARK, Event, schedule
from tests.support.factories import NOW, request

SCENARIO = Scenario(minutes=2, rate=30, phase_seconds=20)


@pytest.fixture(scope="module")
def requests():
    return [each for client in schedule(SCENARIO, Random(1), NOW) for each in client]


# Traffic


def test_requests_come_at_the_rate_and_those_of_a_client_in_order():
    clients = schedule(SCENARIO, Random(1), NOW)
    moments = [[each.at_seconds for each in client] for client in clients]
    assert sorted(at for client in moments for at in client) == [n / 30 for n in range(3_600)]
    assert all(client == sorted(client) for client in moments)


def test_the_same_seed_gives_the_same_requests(requests):
    assert requests == [each for client in schedule(SCENARIO, Random(1), NOW) for each in client]


def test_every_event_has_a_mark_of_its_own_and_fits_the_contract_unless_it_is_invalid(requests):
    events = [event for each in requests for event in each.events]
    assert len({event.mark for event in events}) == len(events) > 4_000
    for event in events:
        assert event.body["Event"][MARK] == event.mark
        if event.valid:
            record = from_request(event.body, received_at=NOW, new_id=lambda: "new")
            assert event.repeatable is (record.event_id != "new")
        else:
            with pytest.raises(InvalidRequestError):
                from_request(event.body, received_at=NOW, new_id=lambda: "new")
    assert {event.valid for event in events} == {event.repeatable for event in events} == {True, False}


def test_every_style_writes_the_same_json(requests):
    for each in requests:
        if each.events and not each.is_put_events:
            body = contract.parse(each.content(each.events))
            sent = [event.body for event in each.events]
            assert body == ({"Events": sent} if each.is_batch else sent[0])


def test_the_body_of_a_put_events_call_has_the_same_events(requests):
    calls = [each for each in requests if each.is_put_events]
    assert calls
    for each in calls:
        submission = submissions.read(contract.parse(each.content(each.events)), 500)
        for index, event in enumerate(each.events):
            read = submission.to_record(index, received_at=NOW, new_id=lambda: "new").body
            assert isinstance(read["SentAt"], float)
            own = {"SentAt", "ReceivedAt"} | ({"EventId"} - event.body.keys())
            assert {name: value for name, value in read.items() if name not in own} == {
                name: value for name, value in event.body.items() if name != "SentAt" and value
            }


def test_a_batch_that_is_sent_again_has_only_the_events_that_are_pending(requests):
    batch = next(each for each in requests if each.is_batch and not each.is_put_events)
    assert contract.parse(batch.content(batch.events[1:2])) == {"Events": [batch.events[1].body]}


@pytest.mark.parametrize(
    "invalid", [each for each in INVALID if each.status == 400], ids=lambda each: each.name
)
def test_what_is_called_invalid_breaks_the_contract(invalid):
    with pytest.raises(InvalidRequestError):
        body = contract.parse(invalid.content)
        if invalid.path == "/recommendations":
            contract.read("recommendations", body)
        else:
            submission = submissions.read(body, 500)
            for index in range(len(submission.events)):
                submission.to_record(index, received_at=NOW, new_id=str)


@pytest.mark.parametrize("kind", POISON)
def test_poison_breaks_the_contract(kind):
    _, make = POISON[kind]
    with pytest.raises(InvalidRequestError):
        from_record(make(POISON_REQUEST), fallback_id="1", arrived_at=NOW)


# What a client does after a response


def event(mark, **changes):
    return Event(mark, request(**changes))


WITH_ID, WITH_TIME, WITHOUT = event("a", EventId="a"), event("b", SentAt=1), event("c")
ALL = (WITH_ID, WITH_TIME, WITHOUT)


def response(status, **body):
    return Response(status, {}, json.dumps(body).encode())


@pytest.mark.parametrize("lost", [None, *(response(status, Code="x") for status in (500, 502, 503, 504))])
def test_what_may_have_been_stored_is_sent_again_only_with_an_id_or_a_time(lost):
    assert outcome(ALL, lost, is_batch=True) == Outcome(unknown=(WITHOUT,), pending=(WITH_ID, WITH_TIME))


def test_what_the_usage_plan_has_refused_is_sent_again():
    assert outcome(ALL, response(429, Code="x"), is_batch=True) == Outcome(pending=ALL)


def test_of_a_batch_only_what_failed_for_now_is_sent_again():
    results = [{"EventId": "1"}, {"Code": "BadRequestError"}, {"Code": "ServiceUnavailableError"}]
    assert outcome(ALL, response(202, Results=results), is_batch=True) == Outcome(
        accepted={"a": "1"}, refused=(WITH_TIME,), pending=(WITHOUT,)
    )


def test_a_refused_event_is_not_sent_again():
    assert outcome([WITH_ID], response(400, Code="x"), is_batch=False) == Outcome(refused=(WITH_ID,))
    assert outcome([WITH_ID], response(202, EventId="a"), is_batch=False) == Outcome(accepted={"a": "a"})


# The plan


def test_faults_change_with_each_phase_and_every_part_is_killed():
    actions = plan(Scenario(), Random(1))
    assert [at for at, _ in actions] == sorted(at for at, _ in actions)
    begun = [(at, action.fault) for at, action in actions if isinstance(action, Begin)]
    assert begun == list(zip(range(0, 600, 60), [*FAULTS, *FAULTS][:10], strict=True))
    kills = Counter(action.part for _, action in actions if isinstance(action, Kill))
    assert kills == {Part.WORKER: 30, Part.ENGINE: 3, Part.MAKE_RUN: 3}
    assert sum(isinstance(action, PutPoison) for _, action in actions) == 180


def test_only_what_was_asked_for_is_killed():
    actions = plan(Scenario(kills=("engine",)), Random(1))
    assert {action.part for _, action in actions if isinstance(action, Kill)} == {Part.ENGINE}


# The comparison and the report


def complete():
    """A ledger, what arrived, and the poison, without any difference."""
    ledger = merged(
        [
            Ledger(sent=3, accepted={"a": "1", "b": "2"}, sessions={"s": ["a", "b"]}, unknown={"c"}),
            Ledger(sent=1, accepted={"d": "4"}, sessions={"t": ["d"]}),
        ]
    )
    ids = {"1": "a", "2": "b", "3": "c", "4": "d"}
    evidence = Evidence(
        trained=dict(ids),
        sessions={"s": ["a", "c", "b"], "t": ["d"]},
        archived=dict(ids),
        archived_poison=1,
        quarantined={("shard", "9")},
    )
    return ledger, evidence, [("shard", "9")]


def result(ledger, evidence, poison, **changes):
    return replace(
        Result(
            requests=4,
            counts=compare(ledger, evidence, poison),
            kills={"worker": 1, "engine": 0, "make-run": 1},
            outages={"make-run": [8.0, 7.5]},
            leftover=0,
            exit_status=0,
            elapsed_seconds=60.0,
            seconds={("1 none", "event"): [n / 1000 for n in range(1, 101)]},
            samples=[Sample("1 none", {"engine": 2**20}, {"engine": 0.5}, 3)],
        ),
        **changes,
    )


def test_a_soak_without_a_difference_keeps_every_promise():
    counts = result(*complete()).counts
    assert (counts.accepted, counts.unknown_stored, counts.trained, counts.archived) == (3, 1, 4, 4)
    assert result(*complete()).broken == []


DIFFERENCES = {
    "not trained on": lambda ledger, evidence: evidence.trained.pop("2"),
    "not archived": lambda ledger, evidence: evidence.archived.pop("2"),
    "archived and not trained on, though not accepted": lambda ledger, evidence: evidence.trained.pop("3"),
    "trained on under two ids": lambda ledger, evidence: evidence.trained.update({"5": "a"}),
    "never sent": lambda ledger, evidence: evidence.archived.update({"5": "refused"}),
    "poison trained on": lambda ledger, evidence: evidence.trained.update({"5": None}),
    "out of order": lambda ledger, evidence: evidence.sessions["s"].reverse(),
    "never accepted": lambda ledger, evidence: ledger.pending.add("e"),
    "no outcome": lambda ledger, evidence: setattr(ledger, "sent", 5),
    "not quarantined": lambda ledger, evidence: evidence.quarantined.clear(),
    "wrongly quarantined": lambda ledger, evidence: evidence.quarantined.add(("shard", "8")),
    "poison not archived": lambda ledger, evidence: setattr(evidence, "archived_poison", 0),
    "wrongly refused": lambda ledger, evidence: ledger.wrongly_refused.append("a"),
    "wrongly accepted": lambda ledger, evidence: ledger.wrongly_accepted.append("a"),
    "an undocumented status": lambda ledger, evidence: ledger.note_response("event", response(500)),
}


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_every_difference_breaks_a_promise(difference):
    ledger, evidence, poison = complete()
    DIFFERENCES[difference](ledger, evidence)
    assert result(ledger, evidence, poison).broken


@pytest.mark.parametrize("end", [{"leftover": 1}, {"exit_status": 1}])
def test_a_bad_end_of_make_run_breaks_a_promise(end):
    assert result(*complete(), **end).broken


def test_a_request_without_a_response_breaks_no_promise():
    ledger, evidence, poison = complete()
    ledger.responses["recommendations", NO_RESPONSE] += 1
    assert result(ledger, evidence, poison).broken == []


def test_the_report_has_counts_times_and_memory_and_names_a_broken_promise():
    ledger, evidence, poison = complete()
    ledger.wrongly_refused.append("a")
    printed = report(result(ledger, evidence, poison))
    lines = {
        cells[0]: cells[1:] for cells in (re.split(r"\s{2,}", line.strip()) for line in printed.split("\n"))
    }
    assert lines["events accepted"] == ["3"]
    assert lines["make-run ready again after seconds, at most"] == ["8.0"]
    assert lines["accepted = trained = archived"] == ["kept"]
    assert lines["what is invalid is refused, and nothing else"] == ["BROKEN"]
    assert lines["wrongly refused: event a"] == []
    assert lines["1 none: event"] == ["100", "50", "95", "99", "100"]
    assert lines["1 none"] == ["1 (50 %)", "3"]


# Processes


def test_the_parts_of_one_stack_are_found_among_all_processes():
    listed = """
   10     1 S+    2048 00:00:01 python -m local --home x
   11    10 Sl    4096 01:00:02 /venv/bin/python -m local.personalize --port 1
   12    10 Sl    1024 1-00:00:03 /venv/bin/python -m local.guarded_emulator
   13    12 S     1024   0:04.50 /venv/bin/python /tmp/x/ministack-lambda-API-1-ab_c1/_worker.py
   14    12 S     1024   0:04.50 /venv/bin/python /tmp/x/ministack-lambda-API-1-ab_c2/_worker.py
   15    12 S     1024   0:04.50 /venv/bin/python /tmp/x/ministack-lambda-Deliver-2-ab_c3/_worker.py
   16    12 Z        0 00:00:00 [python] <defunct>
   20     1 S     1024 00:00:00 /venv/bin/python -m local.personalize --port 2
    """
    parts = parts_of(10, parse(listed.strip()))
    assert [each.pid for each in parts.all] == [10, 11, 12, 13, 14, 15]
    assert [each.cpu_seconds for each in parts.all] == [1, 3602, 86403, 4.5, 4.5, 4.5]
    assert parts.engine[0].resident_bytes == 4 * 2**20
    assert [[each.pid for each in group] for group in parts.functions] == [[13, 14], [15]]
