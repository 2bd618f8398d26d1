"""A bucket and a queue with events of several persons, and make forget run against them in this process."""

import base64
import gzip
import json
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from local.coordinates import written
from local.stack import Running, running_stack
from ops.archive.pieces import lines_in, pieces_of
from ops.forget.command import open_forgetting
from ops.forget.memory import MemoryFile
from ops.local_stage import LocalSession
from ops.locate import locate_whole
from ops.stage import Stage
from ops.target import Reached
from ops.terminal import Terminal
from tests.support.clone import clone_project

DAY = "events/dt=2026-01-31/"
CHANGING = {"PutObject", "DeleteObject", "DeleteObjects", "SendMessage", "DeleteMessageBatch"}
CLEANED = ("events/", "quarantine/", "aws/lambda/", "events-failed/", "query-results/", "exports/")


def line(session, user=None, **members):
    """Return an event as a line of the archive."""
    body = {"SessionId": session, "EventType": "view", "Event": {"itemId": "i"}, **members}
    if user is not None:
        body = {"UserId": user, **body}
    return json.dumps(body, ensure_ascii=False).encode() + b"\n"


@dataclass(frozen=True)
class Contents:
    """What a bucket and a queue hold: the body of each key, and the records of the messages."""

    objects: dict
    messages: list


def message(record, number):
    """Return the message of the quarantine for a record."""
    return json.dumps(
        {
            **{"reason": "refused", "error": "said so", "record": record.decode()},
            **{"shardId": "shard", "sequenceNumber": str(number), "quarantinedAt": "2026-01-31T00:00:00Z"},
        }
    )


def failed(record):
    """Return a line of Firehose about a record that it could not archive."""
    return json.dumps({"rawData": base64.b64encode(record).decode()}).encode() + b"\n"


def batch(*records):
    """Return the document of a batch that Lambda gave up."""
    entries = [
        {
            "eventID": f"shard:{number}",
            "kinesis": {
                **{"sequenceNumber": str(number), "approximateArrivalTimestamp": 1.5, "partitionKey": "p"},
                "data": base64.b64encode(record).decode(),
            },
        }
        for number, record in enumerate(records)
    ]
    info = {"shardId": "shard", "startSequenceNumber": "0", "batchSize": len(entries)}
    return json.dumps({"KinesisBatchInfo": info, "payload": json.dumps({"Records": entries})}).encode()


@dataclass
class Account:
    """A running stack of which the bucket and the queue are this test's alone."""

    running: Running
    project: Path

    @property
    def s3(self):
        return self.running.client("s3")

    @property
    def sqs(self):
        return self.running.client("sqs")

    def put(self, contents):
        """Empty bucket and queue, and fill them."""
        bucket, url = self.running.stack.bucket, self.running.stack.quarantineQueueUrl
        for prefix in CLEANED:
            for each in self.versions(prefix):
                self.s3.delete_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])
        while held := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for each in held:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
        for key, body in contents.objects.items():
            self.put_object(key, body)
        for body in contents.messages:
            self.sqs.send_message(QueueUrl=url, MessageBody=body)

    def put_object(self, key, body):
        self.s3.put_object(Bucket=self.running.stack.bucket, Key=key, Body=body)

    def versions(self, prefix=""):
        """Return every version and delete marker of the bucket."""
        pages = self.s3.get_paginator("list_object_versions")
        found = pages.paginate(Bucket=self.running.stack.bucket, Prefix=prefix)
        return [
            each for page in found for name in ("Versions", "DeleteMarkers") for each in page.get(name, [])
        ]

    def bodies(self, prefix="", *, latest_only=False):
        """Return key and content, not compressed, of every version; or of the latest ones."""
        pages = self.s3.get_paginator("list_object_versions")
        return [
            (each["Key"], self._body(each))
            for page in pages.paginate(Bucket=self.running.stack.bucket, Prefix=prefix)
            for each in page.get("Versions", [])
            if each["IsLatest"] or not latest_only
        ]

    def bodies_as_they_are(self, prefix=""):
        """Return key and bytes of every version."""
        pages = self.s3.get_paginator("list_object_versions")
        found = pages.paginate(Bucket=self.running.stack.bucket, Prefix=prefix)
        return [(each["Key"], self._bytes(each)) for page in found for each in page.get("Versions", [])]

    def _body(self, version):
        body = self._bytes(version)
        return gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body

    def _bytes(self, version):
        found = self.s3.get_object(
            Bucket=self.running.stack.bucket, Key=version["Key"], VersionId=version["VersionId"]
        )
        return found["Body"].read()

    def events(self):
        """Return the bytes of the events of the archive, sorted. Joined ones are two."""
        bodies = [body for _, body in self.bodies("events/", latest_only=True)]
        found = [
            piece.data.strip() for body in bodies for each in pieces_of(lines_in(body)) for piece in each
        ]
        return sorted(filter(None, found))

    def records(self):
        """Return the records of the messages."""
        return sorted(str(json.loads(body).get("record")) for body in self.bodies_of_messages())

    def bodies_of_messages(self):
        """Return the bodies of the messages, which are shown again."""
        url, found, receipts = self.running.stack.quarantineQueueUrl, [], []
        while held := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            found += [each["Body"] for each in held]
            receipts += [each["ReceiptHandle"] for each in held]
        for receipt in receipts:
            self.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=0)
        return found

    def forgetting(self, folder, *, agreed=True, killed_at=None, changing_only=True):
        """Return a run, and the list of what it says. Its memory is in ``folder``.

        The run is killed before or after one of its calls, of those that change something: ``killed_at``.
        """
        session = LocalSession(self.running.stack.awsEndpointUrl)
        kill = Kill(killed_at, changing_only=changing_only)
        for moment in ("before-call", "after-call"):
            session.events.register(moment, kill.strike)
        stage = Stage(self.project, "local")
        said = []

        def confirm(plan):
            said.extend(plan)
            return agreed

        terminal = Terminal(said.append, confirm, None)
        reached = Reached(stage, session, locate_whole(stage, session))
        memory_file = MemoryFile(folder / "memory.json", folder / "lock.json")
        run = open_forgetting(reached, memory_file, terminal, lambda text: None)
        # A message that a killed run has received is shown again after this time.
        quarantine = replace(run.search.quarantine, hidden_seconds=1)
        return replace(run, search=replace(run.search, quarantine=quarantine)), said

    def forget(self, user, folder, **options):
        """Forget a person. Return whether nothing is left, and what was said."""
        run, said = self.forgetting(folder, **options)
        return run.run(user, [], "make forget"), said


@contextmanager
def running_account(home):
    """Run a stack of its own: the bucket is emptied, and the person is searched everywhere in it."""
    with running_stack(home / "stack") as running:
        (home / "project").mkdir()
        project = clone_project(home / "project")
        with written(running.stack, project / ".local" / "stack.json"):
            yield Account(running, project)


@dataclass
class Kill:
    """Ends a run at a call to AWS: no call after it is made either."""

    countdown: int | None
    changing_only: bool

    def strike(self, event_name, **_):
        if self.countdown is None:
            return
        if not self.changing_only or event_name.rpartition(".")[2] in CHANGING:
            self.countdown -= 1
        if self.countdown <= 0:
            raise KeyboardInterrupt


LONE, SHARED = "lone-session", "shared-session"


def contents(user, other):
    """Return events of a person and of another one, in every form in which they are kept."""
    ours = [line(LONE, user), line(LONE), line(SHARED, user), line(SHARED)]
    theirs = [line(SHARED, other), line("theirs", other), line("theirs"), line("theirs", other) + line("x")]
    foreign = line("theirs", other, EventType="foreign")
    return Contents(
        {
            f"{DAY}both.gz": gzip.compress(b"".join([theirs[0], *ours, *theirs[1:]])),
            f"{DAY}ours": ours[0] + ours[1],
            f"{DAY}anonymous-only": ours[1],
            f"{DAY}theirs": b"".join(theirs),
            f"{DAY}joined": foreign.strip() + ours[0].strip() + foreign,
            f"{DAY}half": ours[0].strip()[:-2] + foreign,
            f"{DAY}printed": json.dumps(json.loads(ours[0]), indent=1).encode() + b"\n" + foreign,
            "quarantine/shard/1": ours[0] + foreign,
            "quarantine/shard/2": ours[0],
            "quarantine/shard/3": foreign,
            "aws/lambda/mixed": batch(ours[0], foreign, ours[1]),
            "aws/lambda/theirs": batch(foreign),
            "events-failed/x/dt=2026-01-31/a": failed(ours[0]) + failed(foreign),
            "query-results/a.csv": b'"' + user.encode() + b'"\n',
            "exports/a/interactions.csv": user.encode() + b",i\n",
        },
        [
            message(ours[0], 1),
            message(foreign, 2),
            message(ours[1], 3),
            message(ours[0] + foreign, 4),
            ours[0].decode(),
        ],
    )


def others_of(user, other):
    """Return the events of the archive that have to stay."""
    kept = [line(SHARED, other), line("theirs", other), line("theirs"), line("theirs", other), line("x")] * 2
    foreign = line("theirs", other, EventType="foreign")
    return sorted(each.strip() for each in [*kept, *[foreign] * 4])


def assert_gone(account, user):
    """Search the person everywhere: in every version of every object, and in every message."""
    spellings = {json.dumps(user).encode(), json.dumps(user, ensure_ascii=False).encode()}
    needles = {*spellings, LONE.encode(), *(each.replace(b'"', b'\\"') for each in spellings)}
    for key, body in account.bodies():
        assert not [each for each in needles if each in body], key
        assert "aws/lambda" not in key or b"mixed" not in body
    for record in account.records():
        assert not [each for each in needles if each.decode() in record]


def few_contents(user, other):
    """Return one of each that is changed in a way of its own."""
    all_of_it = contents(user, other)
    keys = [f"{DAY}both.gz", f"{DAY}ours", f"{DAY}anonymous-only", "quarantine/shard/1", "aws/lambda/mixed"]
    return Contents({key: all_of_it.objects[key] for key in keys}, all_of_it.messages[2:4])


def kill_at_each_change(account, contents, folder, eventually, *, every=1):
    """Kill a run before and after its changes, and run it again. Return how many moments there are.

    Each time the person has to be gone, and every event of the others to be there once, as it was.
    """
    account.put(contents)
    stay = sorted(each for each in account.events() if b"ben" in each or b"theirs" in each or b'"x"' in each)
    step, is_killed = 1, True
    while is_killed:
        account.put(contents)
        kept = folder / str(step)
        kept.mkdir()
        try:
            account.forget("ann", kept, killed_at=step)
            is_killed = False
        except KeyboardInterrupt:
            step += every
        assert Counter(stay) <= Counter(account.events())
        eventually(lambda: account.forget("ann", kept)[0])  # noqa: B023 - called at once
        assert_gone(account, "ann")
        assert account.events() == stay
        # A redrive takes equal records for one.
        records = {record for record in account.records() if "shard:4:1" in record}
        foreign = json.loads(line("theirs", "ben", EventType="foreign"))
        assert [*map(json.loads, records)] == [foreign | {"EventId": "shard:4:1"}]
    return step
