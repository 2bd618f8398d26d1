"""The values of a filter's parameters, from the ``filterValues`` of a request.

A value has the form that it would have in the expression: texts in quotes, numbers without, several separated
by commas, such as ``"comedy","drama"`` or ``20``.
https://docs.aws.amazon.com/personalize/latest/dg/filter-real-time.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from local.personalize.errors import InvalidInputError
from local.personalize.filters.tree import Filter

Values = Mapping[str, tuple[str | float, ...]]

_VALUE = re.compile(
    r"""[ \t\r\n]*(?:"([^"]*)"|'([^']*)'|([+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?))[ \t\r\n]*"""
)


def parameter_values(wanted: Filter, texts: Mapping[str, str]) -> Values:
    """Return the values by parameter.

    Raises InvalidInputError for a parameter of INCLUDE that is missing, and for a value that cannot be read.
    Names that the filter does not have are ignored.
    """
    for name in wanted.required_parameters():
        if name not in texts:
            raise InvalidInputError(f"filterValues: the parameter {name} of an INCLUDE expression is missing")
    used = {name for expression in wanted.expressions for name in expression.parameters()}
    return {name: _read(name, text) for name, text in texts.items() if name in used}


def _read(name: str, text: str) -> tuple[str | float, ...]:
    values: list[str | float] = []
    position = 0
    while match := _VALUE.match(text, position):
        double, single, number = match.groups()
        values.append(float(number) if number is not None else single if double is None else double)
        position = match.end()
        if position == len(text):
            return tuple(values)
        if text[position] != ",":
            break
        position += 1
    raise InvalidInputError(
        f'filterValues.{name} must be texts in quotes or numbers, separated by commas, such as "a","b" or 20'
    )
