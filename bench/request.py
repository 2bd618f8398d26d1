"""The CPU time of a request, from API Gateway's event to the response, beside other handlers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.measure import Row, take_turns
from bench.sandbox import Sandbox, sandbox
from bench.server import running_server

ROUNDS = 61


@dataclass(frozen=True)
class Contest:
    """Two contenders. ``ours`` and ``theirs`` are functions of bench.handlers with their arguments."""

    what: str
    ours: str
    theirs: str
    alternative: str
    calls: int
    events: int = 1
    target: str = ""


CONTESTS = (
    Contest(
        "request: budget, circuit, last responses",
        "our_recommendations",
        "our_recommendations_alone",
        "ours without them",
        calls=50,
        target="≤ 1.02",
    ),
    Contest(
        "request: /recommendations, 25 items",
        "our_recommendations",
        "smallest_recommendations",
        "json, default boto3, print",
        calls=50,
        target="≤ 0.95",
    ),
    Contest(
        "request: /recommendations, 25 items",
        "our_recommendations",
        "sample_recommendations",
        "the original sample: all prints",
        calls=50,
    ),
    Contest(
        "request: /recommendations, 25 items",
        "our_recommendations",
        "powertools_recommendations",
        "Powertools: router, tracer, logger, metrics",
        calls=50,
    ),
    Contest(
        "request: /recommendations, all options",
        "our_all_options",
        "smallest_all_options",
        "json, the same by default boto3, print",
        calls=50,
    ),
    Contest(
        "ingestion: /history, one event",
        "our_history 1",
        "smallest_history 1",
        "json, PutRecords by default boto3, print",
        calls=50,
    ),
    Contest(
        "ingestion: /history, 500 events, each",
        "our_history 500",
        "smallest_history 500",
        "json, PutRecords by default boto3, print",
        calls=2,
        events=500,
    ),
)


def rows() -> Iterator[Row]:
    """Yield a row for each contest."""
    with running_server() as server:
        for contest in CONTESTS:
            yield _row(contest, server.url)


def _row(contest: Contest, url: str) -> Row:
    with (
        sandbox(f"bench.handlers:{contest.ours}", url, warm_up=4 * contest.calls) as ours,
        sandbox(f"bench.handlers:{contest.theirs}", url, warm_up=4 * contest.calls) as theirs,
    ):

        def microseconds(contender: Sandbox) -> float:
            return 1e6 * contender.run(contest.calls).cpu_seconds / contest.calls / contest.events

        series = take_turns(
            {"ours": lambda: microseconds(ours), "theirs": lambda: microseconds(theirs)}, ROUNDS
        )
    return Row(contest.what, "µs CPU", series["ours"], contest.alternative, series["theirs"], contest.target)
