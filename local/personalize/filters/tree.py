"""The tree of a filter expression. Immutable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


class Target(Enum):
    """What a filter filters. The values are the words of the expressions, in small letters."""

    ITEMS = "itemid"
    ACTIONS = "actionid"
    USERS = "userid"


class Dataset(Enum):
    """The dataset of a condition. The values are the words of the expressions, in small letters."""

    ITEMS = "items"
    INTERACTIONS = "interactions"
    ACTIONS = "actions"
    ACTION_INTERACTIONS = "action_interactions"
    USERS = "users"
    CURRENT_USER = "currentuser"


@dataclass(frozen=True)
class Parameter:
    """A value that the request has under this name."""

    name: str


@dataclass(frozen=True)
class CurrentItem:
    """The value that the item of the request has in this column."""

    column: str


Value = str | float | Parameter


@dataclass(frozen=True)
class Membership:
    """``column IN values``, or NOT IN when it is negated."""

    column: str
    values: tuple[Value, ...] | CurrentItem
    negated: bool = False


@dataclass(frozen=True)
class Comparison:
    """``column operator operand``. The operators are =, !=, <, <=, > and >=."""

    column: str
    operator: str
    operand: Value | CurrentItem


Condition = Membership | Comparison


@dataclass(frozen=True)
class Expression:
    """INCLUDE or EXCLUDE. One of ``alternatives`` must hold, with all its conditions.

    All of ``user_conditions`` must hold too, or the expression is not applied.
    """

    includes: bool
    dataset: Dataset
    alternatives: tuple[tuple[Condition, ...], ...]
    user_conditions: tuple[Condition, ...] = ()

    def conditions(self) -> Iterator[Condition]:
        """Return all conditions."""
        for alternative in self.alternatives:
            yield from alternative
        yield from self.user_conditions

    def parameters(self) -> Iterator[str]:
        """Return the names of the parameters, in the order of the expression."""
        for condition in self.conditions():
            operands = condition.values if isinstance(condition, Membership) else (condition.operand,)
            if not isinstance(operands, CurrentItem):
                yield from (value.name for value in operands if isinstance(value, Parameter))


@dataclass(frozen=True)
class Filter:
    """Expressions that all filter the same: items, actions or users."""

    target: Target
    expressions: tuple[Expression, ...]

    def required_parameters(self) -> tuple[str, ...]:
        """Return the parameters without which the filter cannot be applied: those of INCLUDE."""
        included = (expression for expression in self.expressions if expression.includes)
        return tuple(dict.fromkeys(name for each in included for name in each.parameters()))

    def uses_events(self) -> bool:
        """Return whether the filter asks what the user did before."""
        events = (Dataset.INTERACTIONS, Dataset.ACTION_INTERACTIONS)
        return any(expression.dataset in events for expression in self.expressions)

    def uses_current_item(self) -> bool:
        """Return whether the filter asks for an item in the request."""
        return any(
            isinstance(
                condition.values if isinstance(condition, Membership) else condition.operand, CurrentItem
            )
            for expression in self.expressions
            for condition in expression.conditions()
        )
