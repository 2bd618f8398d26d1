"""The report of a chaos run: what was put, what arrived, and which promises were kept. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from simulation.tables import aligned


@dataclass(frozen=True)
class Result:
    """The counts of one run. They count distinct events where nothing else is said.

    ``accepted`` counts everything that was put into the stream, poison included. A poison record with too
    many events counts as one. ``duplicates`` counts the records that a producer's retry put once more,
    ``aggregated`` the events in records of several. ``unexpected`` counts the events that arrived and are not
    valid. ``requests`` counts those to Personalize by their outcome, botocore's retries included.
    """

    label: str
    accepted: int
    duplicates: int
    aggregated: int
    poison: int
    trained: int
    lost: int
    unexpected: int
    violations: int
    quarantined: int
    wrongly_quarantined: int
    messages: int
    discarded: int
    invocations: int
    failures: int
    redelivered: int
    kills: int
    errors: Mapping[str, int]
    requests: Mapping[str, int]
    fewest_calls: int
    elapsed_seconds: float

    @property
    def promises(self) -> dict[str, bool]:
        """Each promise, and whether the run kept it."""
        return {
            "no event is lost": self.lost == 0 and self.discarded == 0,
            "distinct events trained on = accepted - quarantined": self.trained
            == self.accepted - self.quarantined,
            "nothing is trained on that is poison": self.unexpected == 0,
            "no event overtakes another of its session": self.violations == 0,
            "quarantined = poison exactly": self.quarantined == self.poison and self.wrongly_quarantined == 0,
        }

    @property
    def broken(self) -> list[str]:
        """The promises that the run did not keep."""
        return [promise for promise, kept in self.promises.items() if not kept]


def order_violations(expected: Sequence[str], arrived: Sequence[str]) -> int:
    """Return how many events arrived after an event with a later position in the stream.

    Lost events do not count.
    """
    position = {event_id: index for index, event_id in enumerate(expected)}
    latest, violations = -1, 0
    for event_id in arrived:
        index = position.get(event_id, latest)
        violations += index < latest
        latest = max(latest, index)
    return violations


def table(results: Sequence[Result]) -> str:
    """Return the results side by side as a table, with their promises."""
    columns = [_cells(result) for result in results]
    rows = [["", *(result.label for result in results)]]
    rows += [[name, *(column.get(name, "0") for column in columns)] for name in _names(columns)]
    for promise in results[0].promises:
        kept = ("kept" if result.promises[promise] else "BROKEN" for result in results)
        rows.append([promise, *kept])
    return aligned(rows)


def _names(columns: Sequence[Mapping[str, str]]) -> list[str]:
    return list(dict.fromkeys(name for column in columns for name in column))


def _cells(result: Result) -> dict[str, str]:
    requests = sum(result.requests.values())
    counts = {
        "events accepted": result.accepted,
        "  put once more by a producer's retry": result.duplicates,
        "  in records of several": result.aggregated,
        "  poison among them": result.poison,
        "events lost": result.lost,
        "distinct events trained on": result.trained,
        "order violations within a session": result.violations,
        "events quarantined": result.quarantined,
        "  messages in the queue, repeats included": result.messages,
        "invocations": result.invocations,
        "  killed": result.kills,
        **{f"  raised {name}": number for name, number in sorted(result.errors.items())},
        "  failed, wholly or in part": result.failures,
        "records delivered again": result.redelivered,
        "requests to Personalize": requests,
        **{f"  {name}": number for name, number in result.requests.items()},
        "fewest possible": result.fewest_calls,
    }
    cells = {name: f"{number:,}" for name, number in counts.items()}
    return cells | {
        "requests / fewest": _ratio(requests, result.fewest_calls),
        "processed / fewest": _ratio(result.requests["processed"], result.fewest_calls),
        "seconds": f"{result.elapsed_seconds:.1f}",
    }


def _ratio(count: int, fewest: int) -> str:
    return f"{count / fewest if fewest else 1.0:.2f}"
