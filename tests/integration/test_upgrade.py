"""An upgrade in mid-stream: what an earlier version has accepted is delivered by this one."""

import json
from pathlib import Path

from tests.support.engine_events import received

CORPUS = Path(__file__).parents[1] / "corpus" / "records-0.1.0.jsonl"
"""Records as version 0.1.0 wrote them, also such as later rules refuse."""


def test_records_of_an_earlier_version_reach_personalize(stack, eventually):
    lines = CORPUS.read_bytes().splitlines(keepends=True)
    stack.client("kinesis").put_records(
        StreamName=stack.stack.streamName,
        Records=[{"Data": line, "PartitionKey": json.loads(line)["SessionId"]} for line in lines],
    )
    accepted = {json.loads(line)["EventId"] for line in lines}
    eventually(lambda: not accepted - {event["eventId"] for event in received(stack)})
