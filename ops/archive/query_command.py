"""``make query``: list the queries, or run one and print its result."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone

from ops.archive import saved_queries
from ops.archive.days import to_days
from ops.archive.opening import open_engine
from ops.archive.saved_queries import FROM, TO, SavedQuery
from ops.archive.show import FORMATS, cost_line
from ops.target import Target
from ops.terminal import print_line, reader_may_leave


def list_queries() -> None:
    """Print each query with what it answers and what it takes."""
    with reader_may_leave():
        for query in saved_queries.read_queries().values():
            print_line(f"{query.name}\n    {query.question}")
            for line in _own_parameters(query):
                print_line(f"    {line}")
        print_line(
            "\nEach reads the days from FROM to TO, in UTC; without them, the last seven.\n"
            "    make query NAME=top-items STAGE=prod FROM=2026-01-01 TO=2026-01-31 FORMAT=csv"
        )


def _own_parameters(query: SavedQuery) -> Iterator[str]:
    """Yield a line for each parameter that not every query has. One that is there twice is the same."""
    named = {parameter.name: parameter for parameter in reversed(query.parameters)}
    for parameter in reversed(named.values()):
        if parameter.name not in {FROM, TO}:
            default = f" ({parameter.default} unless given)" if parameter.default else ""
            yield f"{parameter.name}: {parameter.meaning}{default}"


def run_query(
    name: str,
    target: Target,
    first: str | None,
    last: str | None,
    values: Mapping[str, str],
    *,
    output_format: str,
) -> None:
    """Run a query from day ``first`` to day ``last``. Print its result on stdout, and what it cost on stderr.

    ``values`` are those of its other parameters by name.
    """
    query = saved_queries.find_query(name)
    bound = query.bind(to_days(first, last, datetime.now(timezone.utc).date()), values)
    reached = target.open()
    engine = open_engine(reached.deployment, reached.session)
    print(f"{query.question} {bound.days}, stage {target.stage_name}.", file=sys.stderr, flush=True)
    with engine.run(bound) as result:
        with reader_may_leave():
            FORMATS[output_format](result)
        print(cost_line(result.scanned_bytes, is_local=reached.is_local), file=sys.stderr)
