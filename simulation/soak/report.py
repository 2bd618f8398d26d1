"""The report of a soak: what was sent and what arrived, which promises were kept, times and memory. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from simulation.soak.comparison import Counts
from simulation.tables import aligned

ROUTES = ("recommendations", "event", "batch", "invalid")
MEBIBYTE = 2**20


@dataclass(frozen=True)
class Sample:
    """What the processes use. ``label`` says when; bytes and share of a core are by part of the stack.

    The share of a core is that of the time since the sample before, 0 for the first one.
    """

    label: str
    resident_bytes: Mapping[str, int]
    cores: Mapping[str, float]
    workers: int


@dataclass(frozen=True)
class Result:
    """The result of a soak.

    ``outages`` has the seconds from each kill of a part until it was ready again, by part.
    ``leftover`` counts processes that did not end with ``make run``, and ``exit_status`` is that of its end.
    ``seconds`` has the times of requests by the label of their phase and their route.
    """

    requests: int
    counts: Counts
    kills: Mapping[str, int]
    outages: Mapping[str, Sequence[float]]
    leftover: int
    exit_status: int
    elapsed_seconds: float
    seconds: Mapping[tuple[str, str], Sequence[float]]
    samples: Sequence[Sample]

    @property
    def promises(self) -> dict[str, bool]:
        """Each promise, and whether the soak kept it."""
        counts = self.counts
        stored = counts.accepted + counts.unknown_stored
        return {
            "every event is accepted in the end": counts.never_accepted == 0
            and counts.sent == counts.accepted + counts.unknown,
            "accepted = trained = archived": counts.lost == 0 and stored == counts.trained == counts.archived,
            "no event is trained on twice": counts.twice == 0,
            "nothing arrives that was not sent": counts.unexpected == 0,
            "no event overtakes another of its session": counts.violations == 0,
            "quarantined = archived poison = poison": counts.wrongly_quarantined == 0
            and counts.poison == counts.quarantined == counts.archived_poison,
            "what is invalid is refused, and nothing else": not (
                counts.wrongly_refused or counts.wrongly_accepted
            ),
            "every status is documented, and none is 500": not counts.undocumented,
            "make run ends well and leaves no process": self.exit_status == 0 and self.leftover == 0,
        }

    @property
    def broken(self) -> list[str]:
        """The promises that the soak did not keep."""
        return [promise for promise, kept in self.promises.items() if not kept]


def report(result: Result) -> str:
    """Return the whole report: counts, promises, times by route and by phase, memory and CPU."""
    parts = [
        aligned(_counts(result)),
        aligned([["", "responses"], *_responses(result.counts.responses)]),
        aligned([[promise, "kept" if kept else "BROKEN"] for promise, kept in result.promises.items()]),
        *_details(result.counts),
        _times(result.seconds),
        _memory(result.samples),
    ]
    return "\n\n".join(parts)


def _counts(result: Result) -> list[list[str]]:
    counts = result.counts
    rows = {
        "requests": result.requests,
        "  attempts, repetitions included": sum(counts.responses.values()),
        "events sent": counts.sent,
        "events accepted": counts.accepted,
        "  no response, and no id to send them again": counts.unknown,
        "    of these stored": counts.unknown_stored,
        "  never accepted": counts.never_accepted,
        "distinct events trained on": counts.trained,
        "distinct events archived": counts.archived,
        "events lost": counts.lost,
        "events trained on twice": counts.twice,
        "order violations within a session": counts.violations,
        "poison of another producer": counts.poison,
        "  archived": counts.archived_poison,
        "records quarantined": counts.quarantined,
        **{f"{part} killed": count for part, count in result.kills.items()},
    }
    return [
        *([name, f"{count:,}"] for name, count in rows.items()),
        *(
            [f"{part} ready again after seconds, at most", f"{max(seconds):.1f}"]
            for part, seconds in result.outages.items()
        ),
        ["seconds", f"{result.elapsed_seconds:.1f}"],
    ]


def _responses(responses: Mapping[tuple[str, int], int]) -> list[list[str]]:
    names = {-1: "not sent", 0: "no response"}
    return [
        [f"{route}: {names.get(status, status)}", f"{count:,}"]
        for (route, status), count in sorted(responses.items())
    ]


def _details(counts: Counts) -> list[str]:
    """Return a line for each finding that a count does not describe."""
    findings = [f"undocumented: {what}" for what in counts.undocumented]
    findings += [f"wrongly refused: event {mark}" for mark in counts.wrongly_refused]
    findings += [f"wrongly accepted: {what}" for what in counts.wrongly_accepted]
    return ["\n".join(findings)] if findings else []


def _times(seconds: Mapping[tuple[str, str], Sequence[float]]) -> str:
    """Return the table of times: all of a route, then each phase with its routes."""
    rows = [["milliseconds", "requests", "p50", "p95", "p99", "max"]]
    for route in ROUTES:
        whole = [value for (_, name), values in seconds.items() if name == route for value in values]
        rows.append([route, *_percentiles(whole)])
    for label in dict.fromkeys(label for label, _ in seconds):
        rows += [
            [f"{label}: {route}", *_percentiles(seconds[label, route])]
            for route in ROUTES
            if (label, route) in seconds
        ]
    return aligned(rows)


def _percentiles(seconds: Sequence[float]) -> list[str]:
    ordered = sorted(seconds)
    values = [ordered[max(0, ceil(share * len(ordered)) - 1)] for share in (0.5, 0.95, 0.99, 1) if ordered]
    return [f"{len(ordered):,}", *([f"{1000 * value:,.0f}" for value in values] or ["-"] * 4)]


def _memory(samples: Sequence[Sample]) -> str:
    parts = list(samples[0].resident_bytes)
    rows = [["MiB (% of a core before), at the start of", *parts, "number"]]
    for sample in samples:
        cells = [
            f"{sample.resident_bytes[part] / MEBIBYTE:,.0f} ({100 * sample.cores[part]:.0f} %)"
            for part in parts
        ]
        rows.append([sample.label, *cells, str(sample.workers)])
    return aligned(rows)
