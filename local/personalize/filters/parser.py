"""From the text of a filter expression to its tree, in linear time.

The parser is LALR. The length is checked first, so that no text costs more than a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import NoReturn

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

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
    Target,
    Value,
)

# https://docs.aws.amazon.com/personalize/latest/dg/API_CreateFilter.html and limits.html
MAX_CHARACTERS = 2500
MAX_FIELDS = 10

_EVENT_TYPE = "event_type"
_DATASETS = {
    Target.ITEMS: (Dataset.ITEMS, Dataset.INTERACTIONS),
    Target.ACTIONS: (Dataset.ACTIONS, Dataset.ACTION_INTERACTIONS),
    Target.USERS: (Dataset.USERS, Dataset.INTERACTIONS),
}
# As the expressions spell them. "Action" is a spelling of Personalize's own examples.
_NAMES = {
    **{
        name.casefold(): name for name in ("Items", "Interactions", "Actions", "Action_Interactions", "Users")
    },
    "currentuser": "CurrentUser",
}
_SPELLINGS = {**{dataset.value: dataset for dataset in Dataset}, "action": Dataset.ACTIONS}
_EXPECTED = {
    "KIND": "INCLUDE or EXCLUDE",
    "TARGET": "ItemID, ActionID or UserID",
    "DATASET": "a dataset such as Items",
    "FIELD": "the name of a field",
    "DOT": "'.'",
    "OPERATOR": "a comparison (=, !=, <, <=, > or >=)",
    "RPAR": "')'",
    "COMMA": "','",
    "VBAR": "'|'",
    "TEXT": "a text in quotes",
    "NUMBER": "a number",
    "PARAMETER": "a parameter such as $NAME",
    "CURRENT_ITEM": "CurrentItem",
    "LPAR": "'('",
    "$END": "the end",
}


class FilterSyntaxError(Exception):
    """A text is not a filter expression. ``column`` counts from 1, over all lines."""

    def __init__(self, column: int, problem: str) -> None:
        super().__init__(f"column {column}: {problem}")
        self.column = column
        self.problem = problem


def parse(text: str) -> Filter:
    """Return the filter. Raises FilterSyntaxError at the first place that is wrong."""
    if len(text) > MAX_CHARACTERS:
        _fail(MAX_CHARACTERS + 1, f"expected at most {MAX_CHARACTERS:,} characters, found {len(text):,}")
    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        raise _syntax_error(text, error) from error
    expressions = [_Reader(expression) for expression in tree.children if isinstance(expression, Tree)]
    target = expressions[0].target
    for expression in expressions:
        if expression.target is not target:
            _fail_at(expression.target_token, f"expected the same as before the '|', {target_name(target)}")
    _limit_fields(expressions)
    return Filter(target, tuple(expression.read() for expression in expressions))


def target_name(target: Target) -> str:
    """Return the word of the expressions for a target."""
    return {Target.ITEMS: "ItemID", Target.ACTIONS: "ActionID", Target.USERS: "UserID"}[target]


@cache
def _parser() -> Lark:
    grammar = (Path(__file__).parent / "grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", maybe_placeholders=False)


def _syntax_error(text: str, error: UnexpectedInput) -> FilterSyntaxError:
    if isinstance(error, UnexpectedCharacters):
        position, expected = error.pos_in_stream or 0, set(error.allowed or ())
    elif isinstance(error, UnexpectedToken):
        position, expected = error.pos_in_stream or 0, set(error.accepts or error.expected)
        if error.token.type == "$END":
            position = len(text)
    else:
        position, expected = len(text), set(error.expected if isinstance(error, UnexpectedEOF) else ())
    found = repr(text[position : position + 20]) if text[position:] else "the end"
    return FilterSyntaxError(position + 1, f"expected {_in_words(expected)}, found {found}")


def _in_words(expected: set[str]) -> str:
    words = [_EXPECTED[name] for name in _EXPECTED if name in expected]
    words += sorted(name.strip("_") for name in expected if name not in _EXPECTED)
    return " or ".join(words)


def _fail(column: int, problem: str) -> NoReturn:
    raise FilterSyntaxError(column, problem)


def _fail_at(token: Token, problem: str) -> NoReturn:
    _fail((token.start_pos or 0) + 1, problem)


def _limit_fields(expressions: list[_Reader]) -> None:
    fields: set[tuple[str, str]] = set()
    for expression in expressions:
        for dataset, field in expression.fields():
            fields.add((dataset.casefold(), field.casefold()))
            if len(fields) > MAX_FIELDS:
                _fail_at(field, f"expected at most {MAX_FIELDS} different fields in a filter")


class _Reader:
    """One expression of the parsed tree, and the rules that its conditions must keep."""

    def __init__(self, tree: Tree[Token]) -> None:
        kind, self.target_token = (token for token in tree.children[:2] if isinstance(token, Token))
        self._includes = kind.casefold() == "include"
        self.target = Target(self.target_token.casefold())
        rest = [child for child in tree.children[2:] if isinstance(child, Tree)]
        self._conjunctions = [
            [condition for condition in child.children if isinstance(condition, Tree)]
            for child in rest
            if child.data == "conjunction"
        ]
        self._user_conditions = [child for child in rest if child.data == "condition"]

    def fields(self) -> Iterator[tuple[Token, Token]]:
        """Return the dataset and the field of each condition."""
        for condition in chain(*self._conjunctions, self._user_conditions):
            dataset, field, *_ = _tokens(condition)
            yield dataset, field

    def read(self) -> Expression:
        """Return the expression. Raises FilterSyntaxError for a condition that breaks a rule."""
        dataset = self._dataset(_tokens(self._conjunctions[0][0])[0])
        return Expression(
            self._includes,
            dataset,
            tuple(
                tuple(_condition(condition, dataset) for condition in conjunction)
                for conjunction in self._conjunctions
            ),
            tuple(_condition(condition, Dataset.CURRENT_USER) for condition in self._user_conditions),
        )

    def _dataset(self, token: Token) -> Dataset:
        dataset = _SPELLINGS.get(token.casefold())
        allowed = _DATASETS[self.target]
        if dataset not in allowed:
            names = " or ".join(_NAMES[each.value] for each in allowed)
            _fail_at(token, f"expected {names} after {target_name(self.target)}, found {str(token)!r}")
        return dataset


def _tokens(condition: Tree[Token]) -> list[Token]:
    return [child for child in condition.children if isinstance(child, Token)]


def _condition(tree: Tree[Token], dataset: Dataset) -> Condition:
    """Return a condition, which must be on ``dataset``."""
    named, field, *words = _tokens(tree)
    if _SPELLINGS.get(named.casefold()) is not dataset:
        of_user = dataset is Dataset.CURRENT_USER
        reason = "after IF" if of_user else "because all conditions of one expression are on one dataset"
        _fail_at(named, f"expected {_NAMES[dataset.value]} {reason}, found {str(named)!r}")
    if dataset in EVENTS and field.casefold() != _EVENT_TYPE:
        _fail_at(
            field, f"expected EVENT_TYPE, the only field of {_NAMES[dataset.value]}, found {str(field)!r}"
        )
    operands = [child for child in tree.children if isinstance(child, Tree)]
    if words[0].type == "OPERATOR":
        return _comparison(dataset, field, words, operands)
    negated = words[0].type == "NOT"
    if operands[0].data == "current":
        return Membership(str(field), _current_item(operands[0], dataset), negated)
    values = tuple(_member(token, dataset, negated=negated) for token in _tokens(operands[0]))
    return Membership(str(field), values, negated)


def _comparison(
    dataset: Dataset, field: Token, words: list[Token], operands: list[Tree[Token]]
) -> Comparison:
    operator = words[0]
    if dataset in EVENTS:
        _fail_at(operator, f"expected IN or NOT IN for event types, found {str(operator)!r}")
    if len(words) > 1:
        return Comparison(str(field), str(operator), (_value(words[1]),))
    if operands[0].data == "current":
        return Comparison(str(field), str(operator), _current_item(operands[0], dataset))
    (operand,) = _tokens(operands[0])
    equality_of_user = dataset is Dataset.CURRENT_USER and operator in ("=", "!=")
    if operand.type == "TEXT" and not equality_of_user:
        _fail_at(
            operand, f"expected a number or a parameter after {operator}, found {operand!s}; texts take IN"
        )
    return Comparison(str(field), str(operator), (_value(operand),))


def _current_item(tree: Tree[Token], dataset: Dataset) -> CurrentItem:
    word, field = _tokens(tree)
    if dataset is not Dataset.ITEMS:
        _fail_at(
            word, f"expected a value, found {str(word)!r}: only conditions on Items are compared with it"
        )
    return CurrentItem(str(field))


def _member(token: Token, dataset: Dataset, *, negated: bool) -> Value:
    value = _value(token)
    if negated and isinstance(value, Parameter):
        _fail_at(
            token,
            f"expected a value, found {str(token)!r}: NOT IN takes no parameter; use IN and the opposite",
        )
    if value == "*" and dataset not in EVENTS:
        _fail_at(token, 'expected a value, found "*": it stands for event types only')
    return value


def _value(token: Token) -> Value:
    if token.type == "PARAMETER":
        return Parameter(token[1:])
    return float(token) if token.type == "NUMBER" else token[1:-1]
