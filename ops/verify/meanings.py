"""What the answers of the open questions mean, and what to do. Pure: aws_only.py asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ops.diagnosis import Finding, bad, good, look

DENIED = {"AccessDenied", "AccessDeniedException"}


def of_filter(code: str) -> Finding:
    """Return what the code of the error means; it is empty where a list came. Pure."""
    if not code:
        return good("A filter needs no right of its own. The roles name filters all the same.")
    if code in DENIED:
        return good("A filter needs a right of its own, which the roles have.")
    return look(
        f"Personalize refused the request for another reason ({code}).",
        "Run it again with a filter without parameters.",
    )


def of_destination(
    state: str, destination: str, failures: int, failures_today: int, *, is_written: bool
) -> Finding:
    """Return what is known of the destination of given-up batches. Pure.

    ``failures`` are those of two weeks, ``failures_today`` those of them of the last day.
    """
    if not destination:
        return bad("What Lambda gives up goes nowhere.", "Deploy again.")
    rights = "The role needs s3:PutObject on aws/lambda/* and s3:ListBucket. Only the archive has the events."
    if failures_today:
        return bad(f"Lambda could not store {failures_today} given-up batches in the last day.", rights)
    if failures:
        return look(
            f"Lambda could not store {failures} given-up batches. The last day has none of them.", rights
        )
    if is_written:
        return good("Lambda has stored a given-up batch with these rights, without kinesis:ListStreams.")
    if state != "Enabled":
        return look(
            f"Lambda has the destination, and the event source is {state}: it is not in use.",
            "Wait until it is Enabled, then run this again.",
        )
    return good(
        "Lambda took the destination with these rights, without kinesis:ListStreams. Nothing was given up "
        "yet, so no write was seen: GivenUpNotStoredAlarm rings if one fails."
    )


def of_large_body(status: int) -> Finding:
    """Return what the status means. Pure."""
    if status == 413:
        return good("A body over 6 MB is refused with 413, as the contract says.")
    if status >= 500:
        return look(
            f"A body over 6 MB is answered with {status}, and the contract says 413. Clients may send it "
            "again and again, and ApiErrorsAlarm counts it.",
            "Tell your clients the limit: 500 events a request.",
        )
    return bad(f"A body over 6 MB is answered with {status}.", "Report it as a fault of the project.")


def of_fill(stopped: Sequence[float], incoming: Sequence[float]) -> Finding:
    """Return what the values of the expression mean, beside those of IncomingRecords. Pure."""
    if 1.0 in stopped:
        return good("FILL fills a metric without datapoints, so DeliveryStoppedAlarm can ring.")
    if not any(incoming):
        return look("CloudWatch has no value of IncomingRecords yet, so nothing is shown.", "Run it again.")
    return bad(
        "FILL does not fill a metric without datapoints: DeliveryStoppedAlarm may never ring.",
        "Look at IteratorAge in the dashboard, and report it as a fault of the project.",
    )


def of_keyless(statuses: Mapping[int, int], taken: float) -> Finding:
    """Return what the statuses mean. ``taken`` is how many requests the method took in that time. Pure."""
    if statuses.get(429):
        return look(
            "Requests without a key use up what a method takes: anybody can throttle your clients.",
            "Where this matters, put AWS WAF with a rate rule in front of the API.",
        )
    if {*statuses} == {403} and statuses[403] <= taken:
        return look(
            "Requests without a key are refused. They were too slow to show whether they use up anything.",
            "Run it again from a faster network.",
        )
    if {*statuses} == {403}:
        return good("Requests without a key are refused and use up nothing.")
    return bad(
        f"Requests without a key are answered with {sorted(statuses)}.", "Every route has to require the key."
    )


def of_tracker(code: str) -> Finding:
    """Return what the code of the error means; it is empty where the event was taken. Pure."""
    if not code:
        return look(
            "Personalize takes events of a tracker that does not exist: a wrong TRACKING_ID loses events "
            "without a sign.",
            "Let make doctor say that the tracker exists, after each change of EventTrackerId.",
        )
    if code == "InvalidInputException":
        return look(
            "An unknown tracker looks like invalid events: a wrong TRACKING_ID fills the quarantine.",
            "Nothing is lost: correct EventTrackerId and redrive.",
        )
    if code == "ResourceNotFoundException":
        return good("An unknown tracker is told apart: events wait in the stream until it is corrected.")
    return look(
        f"An unknown tracker is answered with {code}, which no document names.",
        "Report it: delivery may have to learn it.",
    )
