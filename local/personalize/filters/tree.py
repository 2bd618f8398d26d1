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


EVENTS = (Dataset.INTERACTIONS, Dataset.ACTION_INTERACTIONS)
"""The datasets whose only field is EVENT_TYPE."""


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
    """``column IN operands``, or NOT IN when it is negated."""

    column: str
    operands: tuple[Value, ...] | CurrentItem
    negated: bool = False


@dataclass(frozen=True)
class Comparison:
    """``column operator operand``. The operators are =, !=, <, <=, > and >=. There is one operand."""

    column: str
    operator: str
    operands: tuple[Value] | CurrentItem


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
            if not isinstance(condition.operands, CurrentItem):
                yield from (value.name for value in condition.operands if isinstance(value, Parameter))


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
        return any(expression.dataset in EVENTS for expression in self.expressions)

    def uses_current_user(self) -> bool:
        """Return whether the filter asks for the metadata of the request's user."""
        return any(expression.user_conditions for expression in self.expressions)

    def uses_current_item(self) -> bool:
        """Return whether the filter asks for an item in the request."""
        conditions = (each for expression in self.expressions for each in expression.conditions())
        return any(isinstance(each.operands, CurrentItem) for each in conditions)
