"""Which rows a filter lets into a response. Pure functions over arrays with one truth value for each row.

A row is an item or an action. A condition costs a look-up in the index of its column.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from local.personalize.columns import Columns, Ints, Mask, Rows, as_number, categories_of, column_key
from local.personalize.errors import InvalidInputError
from local.personalize.filters.tree import (
    EVENTS,
    Comparison,
    Condition,
    CurrentItem,
    Dataset,
    Expression,
    Filter,
    Membership,
    Parameter,
)
from local.personalize.filters.values import Values

ANY_EVENT_TYPE = "*"
_COMPARE: dict[str, Callable[..., Mask]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True)
class FilterData:
    """What one request is filtered with.

    ``columns`` are those of the rows, ``count`` is the number of rows. ``users`` and ``user`` are the columns
    of the users and the row of the request's user; ``current_item`` is the row of the request's item.
    ``rows_with_events`` returns the rows with which the user had events of some types, or of any (None).
    """

    count: int
    columns: Columns
    users: Columns
    user: int | None
    current_item: int | None
    rows_with_events: Callable[[frozenset[str] | None], Ints]
    values: Values


def allowed(wanted: Filter, data: FilterData) -> Mask:
    """Return which rows may be in the response: the union of all INCLUDE without all EXCLUDE.

    An expression whose IF is false is not applied. Without an INCLUDE that is applied, all rows are included.
    Raises InvalidInputError for a column that no row has.
    """
    applied = [each for each in wanted.expressions if _applies(each, data)]
    included = [_matches(each, data) for each in applied if each.includes]
    excluded = [_matches(each, data) for each in applied if not each.includes]
    mask = _union(included, data.count) if included else np.ones(data.count, dtype=np.bool_)
    return mask & ~_union(excluded, data.count)


def _union(masks: Iterable[Mask], count: int) -> Mask:
    result = np.zeros(count, dtype=np.bool_)
    for mask in masks:
        result |= mask
    return result


def _applies(expression: Expression, data: FilterData) -> bool:
    return all(_holds_for_user(condition, data) for condition in expression.user_conditions)


def _matches(expression: Expression, data: FilterData) -> Mask:
    found = np.zeros(data.count, dtype=np.bool_)
    for alternative in expression.alternatives:
        together = np.ones(data.count, dtype=np.bool_)
        for condition in alternative:
            together &= _condition_mask(condition, expression.dataset, data)
        found |= together
    return found


def _condition_mask(condition: Condition, dataset: Dataset, data: FilterData) -> Mask:
    if isinstance(condition, Membership) and dataset in EVENTS:
        return _event_mask(condition, data)
    _require(data.columns, condition.column)
    return (
        _member_mask(condition, data) if isinstance(condition, Membership) else _compare_mask(condition, data)
    )


def _event_mask(condition: Membership, data: FilterData) -> Mask:
    types = frozenset(map(str, _values(condition, data)))
    mask = _mask(data.rows_with_events(None if ANY_EVENT_TYPE in types else types), data.count)
    return ~mask if condition.negated else mask


def _member_mask(condition: Membership, data: FilterData) -> Mask:
    mask = np.zeros(data.count, dtype=np.bool_)
    for value in _values(condition, data):
        if isinstance(value, float):
            mask |= data.columns.numbers(condition.column, data.count) == value
        else:
            mask |= _mask(data.columns.rows_with(condition.column, value), data.count)
    return ~mask if condition.negated else mask


def _compare_mask(condition: Comparison, data: FilterData) -> Mask:
    value = _single_value(condition, data)
    if value is None:
        return np.zeros(data.count, dtype=np.bool_)
    number = _as_comparable(condition, value)
    # A row without a number is NaN, which is unequal to everything and neither less nor greater.
    return _COMPARE[condition.operator](data.columns.numbers(condition.column, data.count), number)


def _values(condition: Condition, data: FilterData) -> Iterator[str | float]:
    """Yield the values of a condition. A parameter that the request does not have is no value."""
    if isinstance(condition.operands, CurrentItem):
        _require(data.columns, condition.operands.column)
        yield from categories_of(data.columns.value(data.current_item, condition.operands.column))
        return
    for operand in condition.operands:
        if isinstance(operand, Parameter):
            yield from data.values.get(operand.name, ())
        else:
            yield operand


def _single_value(condition: Comparison, data: FilterData) -> str | float | None:
    """Return the value to compare with, or None when there is none."""
    if isinstance(condition.operands, CurrentItem):
        _require(data.columns, condition.operands.column)
        number = as_number(data.columns.value(data.current_item, condition.operands.column))
        return None if np.isnan(number) else number
    values = list(_values(condition, data))
    if len(values) > 1:
        raise InvalidInputError(f"filterValues: {condition.column} is compared with one value only")
    return values[0] if values else None


def _as_comparable(condition: Comparison, value: str | float) -> float:
    if isinstance(value, str):
        raise InvalidInputError(f"filterValues: {condition.column} is compared with a number, without quotes")
    return value


def _holds_for_user(condition: Condition, data: FilterData) -> bool:
    _require(data.users, condition.column)
    text = data.users.value(data.user, condition.column)
    if isinstance(condition, Membership):
        values = set(_values(condition, data))
        found = any(category in values or as_number(category) in values for category in categories_of(text))
        return found != condition.negated
    value = _single_value(condition, data)
    if value is None:
        return False
    if isinstance(value, str) and condition.operator in ("=", "!="):
        return (value in categories_of(text)) == (condition.operator == "=")
    return bool(_COMPARE[condition.operator](as_number(text), _as_comparable(condition, value)))


def _require(columns: Columns, column: str) -> None:
    """Raise InvalidInputError for a column that no row has. Without any value, the columns are not known."""
    if columns.names and column_key(column) not in columns.names:
        raise InvalidInputError(f"The filter uses the column {column}, which the dataset does not have")


def _mask(rows: Ints | Rows, count: int) -> Mask:
    mask = np.zeros(count, dtype=np.bool_)
    mask[rows] = True
    return mask
