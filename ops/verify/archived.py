"""The points that wait: for CloudWatch, which makes the metric, and Firehose, which writes the archive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ops.archive.show import price
from ops.diagnosis import bad, good, look
from ops.errors import OpsError, readable_aws_errors
from ops.verify import archive, delivery
from ops.verify.play import Play
from ops.verify.points import Answer, Point


def metric(play: Play) -> Answer:
    """CloudWatch makes a metric of the log line."""
    since = play.found.sent_at or play.now()
    total = play.poll(
        lambda: sum(delivery.metric_datapoints(play, "Delivered", since)), play.deadlines.metric, 5.0
    )
    call, came = "GetMetricStatistics of Delivered", f"sum {total:g}"
    if total:
        return Answer(
            good("The metric Delivered counts events: alarms and dashboard have values."), call, came
        )
    return Answer(
        bad(
            "The metric Delivered has no value: alarms and dashboard see nothing.",
            "Is SERVICE_NAME of the functions the name of the stack?",
        ),
        call,
        came,
    )


def archived(play: Play) -> Answer:
    """Firehose writes an object after the first event came."""
    since = play.found.sent_at or play.now()

    def newer() -> list[str]:
        days = archive.days_since(play, since)
        # S3 says when an object was written in whole seconds.
        start = since.timestamp() - play.clock_seconds - 1
        objects = archive.objects_of(play, days)
        return [each["Key"] for each in objects if each["LastModified"].timestamp() >= start]

    keys = play.poll(newer, play.deadlines.archive, 0.2)
    call = "ListObjectsV2 of events/dt=TODAY/"
    if not keys:
        return Answer(
            bad(
                "Firehose writes no object into the archive.",
                "The log group of ArchiveLogGroup names the error: usually bucket or role.",
            ),
            call,
            "no object newer than the first event",
        )
    return Answer(good("Firehose writes into the archive."), call, f"{len(keys)} new objects")


def queried(play: Play) -> Answer:
    """The table shows every event of the test user, those that went back too."""
    days = archive.days_since(play, play.found.sent_at or play.now())
    size = archive.size_bytes(play, days)
    call, wanted = "SELECT eventid FROM events WHERE sessionid = the test user", {*play.found.event_ids}
    if size > archive.MAX_SCAN_BYTES:
        return Answer(
            look(
                f"The archive of these days has {size / 1e6:,.0f} MB. A query would cost "
                f"{price(size):.3f} USD and is not made.",
                f"Make it yourself: select the rows of sessionid '{play.mark}'.",
            ),
            "ListObjectsV2",
            f"{size} bytes",
        )

    try:
        with readable_aws_errors():
            return _queried(play, call, wanted)
    except OpsError as error:
        sentence = " ".join(str(error).split())
        return Answer(bad(f"The query fails. {sentence}", "Does 'make query' work?"), call, sentence)


def _queried(play: Play, call: str, wanted: set[str]) -> Answer:
    def found() -> set[str]:
        return archive.event_ids(play, archive.days_since(play, play.found.sent_at or play.now())) & wanted

    ids = play.poll(
        lambda: ids if (ids := found()) == wanted else set(),
        play.deadlines.archive,
        play.deadlines.query_pause,
    )
    if ids == wanted:
        return Answer(
            good("The table shows every event that was sent, and those that went back."),
            call,
            f"{len(ids)} of {len(wanted)} ids",
            replace(play.found, is_archived=True),
        )
    ids = found()
    missing = sorted(each.removeprefix(f"{play.mark}-") for each in wanted - ids)
    return Answer(
        bad(
            f"The table does not show these events of {play.mark}: {', '.join(missing)}.",
            "Is there an object under events-failed/ in the bucket? Does 'make query' work?",
        ),
        call,
        f"{len(ids)} of {len(wanted)} ids",
    )


def points() -> Iterator[Point]:
    """Yield the points."""
    archive_page = "docs/archive.md"
    yield Point(
        "metric",
        "Is the log line of delivery a metric?",
        "docs/operations.md#one-line-per-request-and-per-batch",
        metric,
        ("delivered",),
        only_on_aws=True,
    )
    yield Point(
        "archive object",
        "Does Firehose write the events into the bucket?",
        archive_page,
        archived,
        ("event",),
    )
    yield Point("archive table", "Does the table show them?", archive_page, queried, ("archive object",))
