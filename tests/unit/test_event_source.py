"""The rules of Lambda's Kinesis event source, one test for each. simulation.mapping names the pages."""

import base64
import json
import threading
from collections import defaultdict
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from chalicelib.delivery.kinesis import MAX_PAYLOAD_BYTES
from simulation.event_source import EventSource
from simulation.invocation import InvocationKilledError, Kill, Runtime
from simulation.mapping import CompleteFailureError, Destination, EventSourceMapping, first_failed
from simulation.stream import Stream, hash_key

REPORT = {"report_batch_item_failures": True}
BISECT = {"bisect_batch_on_function_error": True}


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self):
        self.seconds = 1_770_000_000.0

    def __call__(self):
        return self.seconds


class Function:
    """Keeps the payloads of each batch that it was sent, and returns what ``behave`` returns."""

    def __init__(self, behave=lambda *payloads: None):
        self.batches = []
        self._behave = behave
        self._event = None

    def __call__(self, event):
        self._event = event
        payloads = [base64.b64decode(record["kinesis"]["data"]).decode() for record in event["Records"]]
        self.batches.append("".join(payloads))
        return self._behave(*payloads)

    def report(self, payload):
        """Return the partial failure that names the record with this payload."""
        return {"batchItemFailures": [{"itemIdentifier": self.number(payload)}]}

    def number(self, payload):
        (number,) = [
            record["kinesis"]["sequenceNumber"]
            for record in self._event["Records"]
            if base64.b64decode(record["kinesis"]["data"]).decode() == payload
        ]
        return number


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def play(clock):
    """Return ``play(function, "abc", batch_size=2)``: it sends one shard and returns the event source."""

    def run(function, payloads="abcd", destination=None, max_invocations=50, **settings):
        stream = Stream(1, now=clock, random=Random(1))
        for payload in payloads:
            stream.put(payload.encode(), "key")
        source: Any = EventSource(
            stream, function, EventSourceMapping(**settings), now=clock, destination=destination
        )
        source.run_in_turns(Random(1), max_invocations=max_invocations)
        source.records = stream.shards[0]
        return source

    return run


def failing(*bad):
    """Return a behaviour that raises while one of these payloads is in the batch."""

    def behave(*payloads):
        if set(bad) & set(payloads):
            raise ValueError

    return behave


def once(first, then=None):
    """Return a behaviour: the first invocation calls ``first``, every later one returns ``then``."""
    behaviours = iter([first])

    def behave(*payloads):
        return next(behaviours, lambda *_: then)(*payloads)

    return behave


# The stream and the event


def test_a_record_arrives_in_the_form_that_lambda_sends(clock):
    stream = Stream(1, now=clock, random=Random(1))
    record = stream.put(b"payload", "key")
    sent = record.as_event()
    assert sent["eventID"] == f"shardId-000000000000:{record.sequence_number}"
    assert sent["eventSource"] == "aws:kinesis"
    assert sent["kinesis"] == {
        "kinesisSchemaVersion": "1.0",
        "partitionKey": "key",
        "sequenceNumber": record.sequence_number,
        "data": base64.b64encode(b"payload").decode(),
        "approximateArrivalTimestamp": clock.seconds,
    }


def test_sequence_numbers_are_long_decimal_strings_that_grow_with_gaps(clock):
    stream = Stream(1, now=clock, random=Random(1))
    numbers = [stream.put(b"", "key").sequence_number for _ in range(100)]
    assert {len(number) for number in numbers} == {56}
    steps = [int(after) - int(before) for before, after in pairwise(numbers)]
    assert min(steps) > 0
    assert len(set(steps)) > 1


def test_a_partition_key_always_goes_to_the_shard_that_its_md5_hash_names(clock):
    stream = Stream(4, now=clock, random=Random(1))
    for number in range(400):
        stream.put(b"", f"session-{number % 100}")
    for index, shard in enumerate(stream.shards):
        assert shard
        for record in shard:
            assert hash_key(record.partition_key) * 4 // 2**128 == index


# Batches and order


def test_a_batch_holds_batch_size_records_in_order(play):
    function = Function()
    play(function, "abcde", batch_size=2)
    assert function.batches == ["ab", "cd", "e"]


def test_a_batch_ends_before_it_is_larger_than_the_payload_limit(play):
    function = Function()
    half = "x" * (MAX_PAYLOAD_BYTES // 4 * 3 // 2)
    play(function, ["a", half, half, "b"])
    assert [len(batch) for batch in function.batches] == [1 + len(half), len(half) + 1]


def test_a_record_above_the_payload_limit_is_sent_alone(play):
    function = Function()
    play(function, ["a", "x" * MAX_PAYLOAD_BYTES, "b"])
    assert [len(batch) for batch in function.batches] == [1, MAX_PAYLOAD_BYTES, 1]


def test_records_put_while_the_source_runs_are_sent_too(clock):
    stream = Stream(1, now=clock, random=Random(1))
    stream.put(b"a", "key")
    function = Function(once(lambda *_: stream.put(b"b", "key") and None))
    EventSource(stream, function, EventSourceMapping(), now=clock).run_in_turns(Random(1))
    assert function.batches == ["a", "b"]


def test_the_checkpoint_is_the_last_finished_record(play):
    source = play(Function(), "abc", batch_size=2)
    (reader,) = source.readers
    assert reader.checkpoint == source.records[-1].sequence_number
    assert source.counts["finished"] == 3


# Without ReportBatchItemFailures


@pytest.mark.parametrize(
    "response",
    [None, {}, "text", {"batchItemFailures": [{"itemIdentifier": ""}]}, {"batchItemFailures": "nonsense"}],
)
def test_without_the_setting_every_response_is_a_success(play, response):
    function = Function(lambda *_: response)
    play(function, "abcd", batch_size=2)
    assert function.batches == ["ab", "cd"]


def test_without_the_setting_reported_failures_are_ignored_and_so_lost(play):
    handler: Function = Function(lambda *payloads: handler.report(payloads[0]))
    play(handler, "abcd", batch_size=2)
    assert handler.batches == ["ab", "cd"]


def test_an_error_sends_the_whole_batch_again_and_holds_up_the_shard(play):
    errors = iter([True, True])
    function = Function(lambda *_: 1 / 0 if next(errors, False) else None)
    source = play(function, "abcd", batch_size=2)
    assert function.batches == ["ab", "ab", "ab", "cd"]
    assert source.counts == {"invocations": 4, "failures": 2, "redelivered": 4, "finished": 4}


def test_by_default_an_error_is_retried_for_ever(play):
    with pytest.raises(RuntimeError, match="not done after 50"):
        play(Function(failing("a")), "ab")


# ReportBatchItemFailures


@pytest.mark.parametrize(
    "response", [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}, {"other": 1}]
)
def test_an_empty_or_null_response_or_list_is_a_success(play, response):
    function = Function(lambda *_: response)
    play(function, "abcd", batch_size=2, **REPORT)
    assert function.batches == ["ab", "cd"]


def test_a_reported_failure_sends_that_record_and_everything_after_it_again(play):
    handler: Function = Function(once(lambda *_: handler.report("c")))
    source = play(handler, "abcdef", batch_size=5, **REPORT)
    assert handler.batches == ["abcde", "cde", "f"]
    assert source.counts["redelivered"] == 3


def test_of_several_reported_failures_the_lowest_sequence_number_counts(play):
    def report(*_):
        return {
            "batchItemFailures": [
                {"itemIdentifier": handler.number("d")},
                {"itemIdentifier": handler.number("b")},
                {"itemIdentifier": handler.number("c")},
            ]
        }

    handler: Function = Function(once(report))
    play(handler, "abcd", **REPORT)
    assert handler.batches == ["abcd", "bcd"]


def test_sequence_numbers_are_compared_as_numbers():
    response = {"batchItemFailures": [{"itemIdentifier": "10"}, {"itemIdentifier": "9"}]}
    assert first_failed(response, ["8", "9", "10"]) == 1


@pytest.mark.parametrize(
    "failure",
    [
        {"itemIdentifier": ""},
        {"itemIdentifier": None},
        {"itemIdentifier": "49600000000000000000000000000000000000000000000000000000"},
        {"itemIdentifier": 7},
        {"itemIdentifer": "misspelt"},
        {},
        None,
    ],
)
def test_a_bad_item_identifier_fails_the_whole_batch(play, failure):
    good = lambda: {"itemIdentifier": handler.number("c")}  # noqa: E731
    handler: Function = Function(once(lambda *_: {"batchItemFailures": [good(), failure]}))
    play(handler, "abcd", **REPORT)
    assert handler.batches == ["abcd", "abcd"]


@pytest.mark.parametrize("response", ["text", [1], 7, {"batchItemFailures": "abc"}, {"batchItemFailures": 1}])
def test_a_response_that_is_no_object_with_a_list_fails_the_whole_batch(response):
    with pytest.raises(CompleteFailureError):
        first_failed(response, ["1", "2"])


def test_an_error_fails_the_whole_batch_with_the_setting_too(play):
    function = Function(once(failing("b")))
    play(function, "abcd", **REPORT)
    assert function.batches == ["abcd", "abcd"]


# BisectBatchOnFunctionError


def test_bisecting_halves_a_failed_batch_until_the_offending_record_is_alone(play):
    function = Function(failing("b"))
    source = play(function, "abcde", batch_size=4, maximum_retry_attempts=1, **BISECT)
    assert function.batches == ["abcd", "ab", "a", "b", "b", "cd", "e"]
    assert source.counts["discarded"] == 1


def test_bisecting_happens_on_an_error_whatever_the_report_setting_says(play):
    function = Function(once(failing("d")))
    play(function, "abcd", **BISECT, **REPORT)
    assert function.batches == ["abcd", "ab", "cd"]


def test_with_both_settings_a_partial_failure_splits_at_the_reported_record(play):
    handler: Function = Function(once(lambda *_: handler.report("b")))
    play(handler, "abcd", **BISECT, **REPORT)
    assert handler.batches == ["abcd", "bcd"]


# MaximumRetryAttempts


def test_splitting_uses_up_no_retry(play):
    function = Function(failing("a"))
    play(function, "abcd", maximum_retry_attempts=2, **BISECT)
    assert function.batches == ["abcd", "ab", "a", "a", "a", "b", "cd"]


def test_after_the_last_retry_the_batch_is_discarded_and_the_shard_goes_on(play):
    function = Function(failing("a"))
    source = play(function, "abcd", batch_size=2, maximum_retry_attempts=2)
    assert function.batches == ["ab", "ab", "ab", "cd"]
    assert source.counts["discarded"] == 2


def test_no_retries_means_one_attempt(play):
    function = Function(failing("a"))
    play(function, "ab", maximum_retry_attempts=0)
    assert function.batches == ["ab"]


def test_reported_failures_use_up_retries_as_errors_do(play):
    handler: Function = Function(lambda *payloads: handler.report("b") if "b" in payloads else None)
    source = play(handler, "abcd", batch_size=3, maximum_retry_attempts=2, **REPORT)
    assert handler.batches == ["abc", "bc", "bc", "d"]
    assert source.counts["discarded"] == 2


# MaximumRecordAgeInSeconds


def test_a_record_that_is_too_old_is_not_sent_again(play, clock):
    def fail(*_):
        clock.seconds += 40
        raise ValueError

    function = Function(fail)
    source = play(function, "ab", maximum_record_age_in_seconds=60)
    assert function.batches == ["ab", "ab"]
    assert source.counts["discarded"] == 2


def test_only_the_records_that_are_too_old_are_discarded(clock):
    stream = Stream(1, now=clock, random=Random(1))
    stream.put(b"a", "key")
    clock.seconds += 50
    stream.put(b"b", "key")
    clock.seconds += 50
    function = Function()
    EventSource(
        stream, function, EventSourceMapping(maximum_record_age_in_seconds=60), now=clock
    ).run_in_turns(Random(1))
    assert function.batches == ["b"]


# On-failure destinations


@pytest.mark.parametrize("kind", ["s3", "sqs", "sns"])
def test_a_discarded_batch_is_described_to_the_destination(play, kind):
    documents = []
    source = play(
        Function(failing("b")),
        "abc",
        batch_size=2,
        maximum_retry_attempts=1,
        destination=Destination(kind, documents.append),
    )
    (document,) = documents
    first, second, _ = source.records
    assert document["requestContext"] == {"condition": "RetryAttemptsExhausted", "approximateInvokeCount": 2}
    assert document["KinesisBatchInfo"] == {
        "shardId": "shardId-000000000000",
        "startSequenceNumber": first.sequence_number,
        "endSequenceNumber": second.sequence_number,
        "approximateArrivalOfFirstRecord": "2026-02-02T02:40:00.000Z",
        "approximateArrivalOfLastRecord": "2026-02-02T02:40:00.000Z",
        "batchSize": 2,
        "streamArn": "arn:aws:kinesis:us-east-1:000000000000:stream/local",
    }


def test_s3_receives_the_records_themselves(play):
    documents = []
    source = play(
        Function(failing("a")),
        "ab",
        maximum_retry_attempts=0,
        destination=Destination("s3", documents.append),
    )
    assert json.loads(documents[0]["payload"]) == {
        "Records": [record.as_event() for record in source.records]
    }


@pytest.mark.parametrize("kind", ["sqs", "sns"])
def test_queues_and_topics_receive_no_records(play, kind):
    documents = []
    play(
        Function(failing("a")),
        "ab",
        maximum_retry_attempts=0,
        destination=Destination(kind, documents.append),
    )
    assert "payload" not in documents[0]


# Several shards, and ParallelizationFactor


def recorder():
    """Return a function, and the payloads that it was sent by partition key."""
    seen = defaultdict(list)

    def function(event):
        for record in event["Records"]:
            seen[record["kinesis"]["partitionKey"]].append(base64.b64decode(record["kinesis"]["data"]))

    return function, seen


def numbered(stream, keys=20, each=30):
    for number in range(each):
        for key in range(keys):
            stream.put(str(number).encode(), f"key-{key}")
    return [str(number).encode() for number in range(each)]


def test_shards_are_processed_at_the_same_time(clock):
    stream = Stream(2, now=clock, random=Random(1))
    numbered(stream, each=1)
    both = threading.Barrier(2, timeout=10)
    EventSource(stream, lambda event: both.wait() and None, EventSourceMapping(), now=clock).run()
    assert not both.broken


def test_a_shard_has_one_batch_at_a_time(clock):
    stream = Stream(1, now=clock, random=Random(1))
    expected = numbered(stream)
    function, seen = recorder()
    busy = threading.Lock()

    def alone(event):
        assert busy.acquire(blocking=False)
        function(event)
        busy.release()

    source = EventSource(stream, alone, EventSourceMapping(batch_size=7), now=clock)
    source.run()
    assert source.counts["failures"] == 0
    assert all(payloads == expected for payloads in seen.values())


def test_an_error_in_one_shard_does_not_hold_up_another(clock):
    stream = Stream(2, now=clock, random=Random(1))
    numbered(stream)
    bad = stream.shards[0][0].shard_id

    def function(event):
        if event["Records"][0]["eventID"].startswith(bad):
            raise ValueError

    source = EventSource(stream, function, EventSourceMapping(), now=clock)
    with pytest.raises(RuntimeError):
        source.run_in_turns(Random(1), max_invocations=50)
    assert source.readers[0].counts["finished"] == 0
    assert source.readers[1].counts["finished"] == len(stream.shards[1])


def test_parallel_batches_of_a_shard_keep_the_order_of_each_partition_key(clock):
    stream = Stream(1, now=clock, random=Random(1))
    expected = numbered(stream)
    function, seen = recorder()
    mapping = EventSourceMapping(batch_size=7, parallelization_factor=4)
    source = EventSource(stream, function, mapping, now=clock)
    source.run_in_turns(Random(1))
    assert len(seen) == 20
    assert all(payloads == expected for payloads in seen.values())
    assert sum(reader.counts["invocations"] > 0 for reader in source.readers) == 4


def test_parallel_batches_of_a_shard_are_processed_at_the_same_time(clock):
    stream = Stream(1, now=clock, random=Random(1))
    numbered(stream, each=1)
    all_four = threading.Barrier(4, timeout=10)
    mapping = EventSourceMapping(parallelization_factor=4)
    EventSource(stream, lambda event: all_four.wait() and None, mapping, now=clock).run()
    assert not all_four.broken


def test_a_stopped_event_source_ends_after_its_current_invocation(clock):
    stream = Stream(1, now=clock, random=Random(1))
    numbered(stream)
    sent = []

    def function(event):
        sent.append(event)
        source.stop()

    source = EventSource(stream, function, EventSourceMapping(batch_size=1), now=clock)
    source.run()
    assert len(sent) == 1


# Killed invocations


class Wire:
    """Carries the requests of a handler; ``carried`` has those that arrived."""

    def __init__(self, clock=None, seconds=0.0):
        self.carried = []
        self.runtime = None
        self._clock = clock
        self._seconds = seconds

    def send(self, request):
        self.runtime.tick()
        self.carried.append(request)
        if self._clock is not None:
            self._clock.seconds += self._seconds
        self.runtime.tick()


def sender(wire):
    def handler(event, context):
        for record in event["Records"]:
            try:
                wire.send(base64.b64decode(record["kinesis"]["data"]).decode())
            except Exception:  # noqa: BLE001 - a handler that catches everything but Kill
                pytest.fail("a handler must not be able to catch Kill")
        return {"batchItemFailures": []}

    return handler


@pytest.mark.parametrize(("ticks", "carried"), [(0, ""), (1, "a"), (2, "a"), (3, "ab"), (5, "abc")])
def test_what_a_killed_invocation_has_sent_stays_sent_and_the_rest_is_not_sent(play, clock, ticks, carried):
    wire = Wire()
    moments = iter([ticks])
    wire.runtime = Runtime(
        sender(wire), timeout_seconds=60, now=clock, kill_after=lambda: next(moments, None)
    )
    source = play(wire.runtime, "abc", **REPORT)
    assert "".join(wire.carried) == carried + "abc"
    assert source.counts["failures"] == wire.runtime.kills == 1


def test_an_invocation_is_killed_at_its_timeout(play, clock):
    wire = Wire(clock, seconds=4.0)
    wire.runtime = Runtime(sender(wire), timeout_seconds=10, now=clock)
    play(wire.runtime, "abcd", **BISECT)
    assert "".join(wire.carried) == "abc" + "abcd"
    assert wire.runtime.kills == 1


def test_threads_of_a_killed_invocation_send_nothing(clock):
    wire = Wire()
    outcomes = []

    def late_sender():
        try:
            wire.send("late")
        except Kill:
            outcomes.append("killed")

    def handler(event, context):
        with pytest.raises(Kill):
            wire.send("early")
        thread = threading.Thread(target=late_sender)
        thread.start()
        thread.join()
        return "a response that nobody gets"

    wire.runtime = Runtime(handler, timeout_seconds=60, now=clock, kill_after=lambda: 0)
    with pytest.raises(InvocationKilledError):
        wire.runtime({"Records": []})
    assert wire.carried == []
    assert outcomes == ["killed"]


def test_the_context_returns_the_time_that_is_left(clock):
    left = []

    def handler(event, context):
        left.append(context.get_remaining_time_in_millis())
        clock.seconds += 3
        left.append(context.get_remaining_time_in_millis())

    Runtime(handler, timeout_seconds=10, now=clock)({"Records": []})
    assert left == [10_000, 7_000]
