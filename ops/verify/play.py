"""What one run knows and may do: the deployment, clients, the test user, the clock, and what it has made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, TypeVar

import boto3

from ops import local_stage
from ops.bucket import Bucket
from ops.locate import Deployment
from ops.verify.api_client import ApiClient
from ops.verify.ledger import Kind, Ledger, Thing

T = TypeVar("T")
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True)
class Deadlines:
    """Seconds that are waited for each part. ``query_pause`` lies between two queries, which cost.

    ``hidden`` is how long a kill hides messages of the quarantine; ``quarantined`` is longer.
    """

    list: float = 10.0
    delivery: float = 180.0
    archive: float = 660.0
    metric: float = 300.0
    alarm: float = 60.0
    stopped: float = 2400.0
    quarantined: float = 60.0
    hidden: int = 30
    query_pause: float = 60.0


LOCAL_DEADLINES = Deadlines(
    list=3.0, delivery=20.0, archive=20.0, alarm=15.0, quarantined=10.0, hidden=5, query_pause=0.2
)


@dataclass(frozen=True)
class Found:
    """What points have found for those after them.

    ``item`` is the first of the recommended list. ``event_ids`` are those of all that was sent. ``sent_at``
    is when the first of them was sent. ``is_archived``: the archive has all of them. ``alarms_seen`` counts
    the alarms whose messages came through the topic.
    """

    item: str = ""
    source: str = ""
    event_ids: tuple[str, ...] = ()
    sent_at: datetime | None = None
    alarms_seen: int = 0
    is_archived: bool = False

    def sent(self, ids: tuple[str, ...], at: datetime) -> dict[str, Any]:
        """Return the members that change when events are sent."""
        return {"event_ids": (*self.event_ids, *ids), "sent_at": self.sent_at or at}


@dataclass(frozen=True)
class Play:
    """The context of one run. ``mark`` is the test user, and the beginning of every id that the run makes.

    ``clients`` returns the client of a service, the same one each time. ``variables`` and ``role`` are those
    of the function that delivers events. ``show`` shows progress.
    """

    deployment: Deployment
    session: boto3.Session
    clients: Callable[[str], Any]
    api: ApiClient
    ledger: Ledger
    mark: str
    event_type: str
    variables: Mapping[str, str]
    role: str
    deadlines: Deadlines
    sleep: Callable[[float], None]
    monotonic: Callable[[], float]
    is_intrusive: bool = False
    show: Callable[[str], None] = lambda line: None
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
    found: Found = field(default_factory=Found)

    @property
    def is_local(self) -> bool:
        """Whether the emulator of ``make run`` plays AWS."""
        return self.deployment.stage == local_stage.STAGE

    @property
    def clock_seconds(self) -> float:
        """Return what this machine's clock may differ from that of AWS."""
        return 0.0 if self.is_local else 5.0

    @property
    def stream(self) -> str:
        """Name of the stream."""
        return self.deployment.output("EventStreamName")

    @property
    def queue_url(self) -> str:
        """URL of the quarantine queue."""
        return self.deployment.output("QuarantineQueueUrl")

    @property
    def bucket(self) -> Bucket:
        """The archive bucket."""
        return Bucket(self.clients("s3"), self.deployment.output("EventsBucket"))

    def poll(self, question: Callable[[], T], seconds: float, pause: float = FIRST_PAUSE_SECONDS) -> T:
        """Ask until the answer is true, for at most ``seconds``. Returns the last answer."""
        deadline = self.monotonic() + seconds
        while not (answer := question()) and self.monotonic() < deadline:
            self.sleep(pause)
            pause = max(pause, min(1.5 * pause, LONGEST_PAUSE_SECONDS))
        return answer

    def note(self, kind: Kind, identity: str, **details: str) -> Thing:
        """Write down a thing before it is made, so that the next run finds it."""
        thing = Thing(kind, identity, self.mark, self.now().isoformat(), details)
        self.ledger.note(thing)
        return thing

    def event(self, number: str, **changes: Any) -> dict[str, Any]:
        """Return an event of the test user: a request to /history. A change to None leaves the key out."""
        body = {
            "UserId": self.mark,
            "SessionId": self.mark,
            "EventId": f"{self.mark}-{number}",
            "EventType": self.event_type,
            "Event": {"itemId": self.found.item},
        } | changes
        return {name: value for name, value in body.items() if value is not None}
