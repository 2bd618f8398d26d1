"""What was seen of one event, and where, as lines to print. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from chalicelib.timestamps import to_rfc3339
from ops.terminal import printable_line
from ops.trace.facts import Archived, ArchivedRow, Facts, Search, UndeliveredCopy
from ops.trace.identifiers import is_derived

LABEL_WIDTH = 12
MAX_VALUE_CHARACTERS = 80
"""Of an id that is shown. Clients choose the ids."""
MAX_ADDRESS_CHARACTERS = 300


def line(label: str, text: str) -> str:
    """Return a line of the report."""
    return f"{label:<{LABEL_WIDTH}} {text}"


def place_of(copy: UndeliveredCopy) -> str:
    """Return since when a copy of the event is there, and where."""
    where = _shown(copy.where, MAX_ADDRESS_CHARACTERS)
    return f"since {to_rfc3339(copy.at)}, {where}" if copy.at is not None else where


def row_lines(facts: Facts) -> Iterator[str]:
    """Yield the rows of the archive: the first one, and what each further one is."""
    archived = facts.archived
    if archived.problem:
        yield line("archive", f"could not be asked: {archived.problem}")
    elif not archived.rows:
        yield line("archive", f"no row with this EventId from {facts.days}{_why_no_row(facts.event_id)}")
    seen: list[ArchivedRow] = []
    for row in archived.rows:
        yield line(_kind(row, seen), _described(row))
        yield line("", _shown(row.address, MAX_ADDRESS_CHARACTERS))
        seen.append(row)
    yield from _more_rows(archived)


def _more_rows(archived: Archived) -> Iterator[str]:
    if archived.total > len(archived.rows):
        yield line("", f"and {archived.total - len(archived.rows):,} more rows.")
    if len({row.content for row in archived.rows}) > 1:
        yield line("", "Several events have this id. Personalize trains on the first one only.")


def _why_no_row(event_id: str) -> str:
    return "; events of other producers have none there" if is_derived(event_id) else ""


def _kind(row: ArchivedRow, seen: list[ArchivedRow]) -> str:
    if not seen:
        return "accepted"
    if row.content != seen[0].content:
        return "id reused"
    if row.received_at in {each.received_at for each in seen}:
        return "stored again"
    return "sent again"


def _described(row: ArchivedRow) -> str:
    parts = [f"{_shown(row.event_type)} of {_shown(row.subject)}" if row.subject else _shown(row.event_type)]
    parts.append(f"session {_shown(row.session_id)}")
    if row.user_id:
        parts.append(f"user {_shown(row.user_id)}")
    return f"{_time(row)}  {', '.join(parts)}"


def _time(row: ArchivedRow) -> str:
    if row.received_at is not None:
        return to_rfc3339(row.received_at)
    return f"about {_seconds(row.stored_at)}, of another producer"


def _seconds(moment: datetime) -> str:
    return to_rfc3339(moment)[:19] + "Z"


def quarantine_lines(search: Search) -> Iterator[str]:
    """Yield what was found in the quarantine, or how much of it was searched."""
    yield from _search_lines("quarantine", search, "message", "messages")


def given_up_lines(search: Search) -> Iterator[str]:
    """Yield what was found among the batches that were given up, or how many were searched."""
    yield from _search_lines("given up", search, "batch", "batches")


def _search_lines(name: str, search: Search, one: str, many: str) -> Iterator[str]:
    if search.problem:
        yield line(name, f"could not be searched: {search.problem}")
        return
    for copy in search.found:
        yield line(name, place_of(copy))
    if search.found:
        return
    if search.has_more:
        yield line(name, f"not among the first {search.searched:,} {many}; there may be more")
    else:
        yield line(name, f"not there ({search.searched:,} {one if search.searched == 1 else many} searched)")
    if search.hidden:
        yield line(
            "",
            f"{search.hidden:,} more are held by another reader, such as a redrive. Ask again in 15 minutes.",
        )


def _shown(text: str, max_characters: int = MAX_VALUE_CHARACTERS) -> str:
    return printable_line(text, max_characters=max_characters)
