"""Values as literals of SQL: what Athena takes as an execution parameter. Pure.

docs.aws.amazon.com/athena/latest/ug/querying-with-prepared-statements.html: a parameter stands in the place
of its question mark as it is written, so a text needs its own single quotes.
"""

from __future__ import annotations

from ops.errors import InputError

Value = str | int
MAX_CHARACTERS = 1024
"""Of one execution parameter (API_StartQueryExecution)."""


def to_literal(value: Value) -> str:
    """Return the literal of a value. Raises InputError for one that is too long.

    In Athena's SQL nothing but a single quote has a meaning inside of a text: no backslash and no comment
    (trino.io/docs/current/language/types.html, VARCHAR).
    """
    literal = str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"
    if len(literal) > MAX_CHARACTERS:
        raise InputError(f"A value has {len(literal)} characters as SQL; Athena takes {MAX_CHARACTERS}.")
    return literal
