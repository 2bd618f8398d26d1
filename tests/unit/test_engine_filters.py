"""Filter expressions: a table of what they allow, what is refused, and laws that always hold."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.catalogue import FOLDER
from local.personalize.action_requests import event_type_key
from local.personalize.dataset import Dataset, Users
from local.personalize.errors import ImportFileError, InvalidInputError
from local.personalize.filters.parser import MAX_CHARACTERS, FilterSyntaxError, parse
from local.personalize.filters.tree import Target
from local.personalize.imports import read_folder
from local.personalize.interactions import NEWEST_EVENTS, Interactions
from local.personalize.requests import Record

ITEMS = {
    "a": {"GENRE": "drama", "PRICE": "10", "STUDIO": "north", "CREATION_TIMESTAMP": "100"},
    "b": {"GENRE": "comedy", "PRICE": "20", "STUDIO": "north", "CREATION_TIMESTAMP": "200"},
    "c": {"GENRE": "drama|comedy", "PRICE": "30.5", "STUDIO": "south", "CREATION_TIMESTAMP": "300"},
    "d": {"GENRE": "action", "STUDIO": "south", "CREATION_TIMESTAMP": "400"},
    "e": {"PRICE": "50", "CREATION_TIMESTAMP": "500"},
}
USERS = {
    "ann": {"AGE": "25", "MEMBERSHIP": "premium", "LIKES": "drama|action"},
    "bob": {"AGE": "70", "MEMBERSHIP": "basic"},
}
EVENTS = [
    ("ann", "a", 1, "click"),
    ("ann", "b", 2, "click"),
    ("ann", "b", 3, "Buy"),
    ("ann", "c", 4, "watch"),
    ("bob", "d", 5, "click"),
]


@pytest.fixture(scope="module")
def items() -> Dataset:
    users = Users()
    dataset = Dataset(Target.ITEMS, users)
    for item_id, values in ITEMS.items():
        dataset.put(Record(item_id, values))
    for user_id, values in USERS.items():
        users.put(Record(user_id, values))
    dataset.interactions.add_history(EVENTS)
    return dataset


def allowed(
    dataset: Dataset,
    expression: str,
    values: Mapping[str, str] | None = None,
    user: str | None = "ann",
    item: str | None = None,
) -> str:
    """Return the ids of the allowed items in one text, such as "abc"."""
    mask = dataset.allowed(parse(expression), values or {}, user, item)
    return "".join(dataset.known(mask, dataset.interactions.item_ids))


TABLE: list[tuple[str, str]] = [
    # One condition on items.
    ('INCLUDE ItemID WHERE Items.GENRE IN ("drama")', "ac"),
    ('EXCLUDE ItemID WHERE Items.GENRE IN ("drama")', "bde"),
    ('INCLUDE ItemID WHERE Items.GENRE IN ("drama", "action")', "acd"),
    ('INCLUDE ItemID WHERE Items.GENRE IN ("Drama")', ""),
    ('INCLUDE ItemID WHERE Items.GENRE IN ("dram")', ""),
    ('INCLUDE ItemID WHERE Items.GENRE IN ("drama|comedy")', ""),
    ('INCLUDE ItemID WHERE Items.GENRE NOT IN ("drama")', "bde"),
    ('EXCLUDE ItemID WHERE Items.GENRE NOT IN ("drama")', "ac"),
    ('INCLUDE ItemID WHERE Items.GENRE NOT IN ("drama", "comedy")', "de"),
    ("INCLUDE ItemID WHERE Items.PRICE < 20", "a"),
    ("INCLUDE ItemID WHERE Items.PRICE <= 20", "ab"),
    ("INCLUDE ItemID WHERE Items.PRICE > 20", "ce"),
    ("INCLUDE ItemID WHERE Items.PRICE >= 20", "bce"),
    ("INCLUDE ItemID WHERE Items.PRICE = 20", "b"),
    ("INCLUDE ItemID WHERE Items.PRICE != 20", "acde"),
    ("INCLUDE ItemID WHERE Items.PRICE = 30.5", "c"),
    ("INCLUDE ItemID WHERE Items.PRICE > -1", "abce"),
    ("INCLUDE ItemID WHERE Items.PRICE < 1e2", "abce"),
    ("EXCLUDE ItemID WHERE Items.PRICE < 20", "bcde"),
    ("INCLUDE ItemID WHERE Items.PRICE IN (10, 50)", "ae"),
    ('INCLUDE ItemID WHERE Items.PRICE IN ("10")', "a"),
    ("INCLUDE ItemID WHERE Items.CREATION_TIMESTAMP >= 300", "cde"),
    ("INCLUDE ItemID WHERE Items.STUDIO < 5", ""),
    # Spellings that are in use.
    ('exclude itemId where ITEMS.genre in ("drama")', "bde"),
    ("INCLUDE ItemID WHERE Items.GENRE IN ('drama')", "ac"),
    ('INCLUDE ItemID WHERE Items . GENRE IN("drama")', "ac"),
    ('  INCLUDE\n\tItemID WHERE Items.GENRE\nIN ( "drama" ,"action" ) ', "acd"),
    ('EXCLUDE itemId WHERE INTERACTIONS.event_type in ("*")', "de"),
    ("INCLUDE ItemID WHERE Interactions.event_type IN ('watch','buy')", "bc"),
    ("INCLUDE ItemID WHERE Items.creationTimestamp>=300", "cde"),
    # Several conditions.
    ('INCLUDE ItemID WHERE Items.GENRE IN ("drama") AND Items.PRICE < 20', "a"),
    ('INCLUDE ItemID WHERE Items.GENRE IN ("action") OR Items.PRICE < 20', "ad"),
    ('EXCLUDE ItemID WHERE Items.GENRE IN ("drama") AND Items.STUDIO NOT IN ("north")', "abde"),
    (
        'INCLUDE ItemID WHERE Items.GENRE IN ("action") OR Items.STUDIO IN ("north") AND Items.PRICE < 20',
        "ad",
    ),
    ('INCLUDE ItemID WHERE Items.PRICE < 20 AND Items.STUDIO IN ("south") OR Items.GENRE IN ("action")', "d"),
    ("INCLUDE ItemID WHERE Items.PRICE > 10 AND Items.PRICE < 50 AND Items.PRICE != 20", "c"),
    # What the user did before.
    ('EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("click", "watch")', "de"),
    ('INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("click")', "ab"),
    ('INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("CLICK")', "ab"),
    ('INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("buy")', "b"),
    ('INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")', "abc"),
    ('INCLUDE ItemID WHERE Interactions.EVENT_TYPE NOT IN ("*")', "de"),
    ('INCLUDE ItemID WHERE Interactions.EVENT_TYPE NOT IN ("click")', "cde"),
    ('INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("share")', ""),
    ('INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("click") AND Interactions.EVENT_TYPE IN ("buy")', "b"),
    ('INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("buy") OR Interactions.EVENT_TYPE IN ("watch")', "bc"),
    # The user of the request.
    ('INCLUDE ItemID WHERE Items.GENRE IN ("drama") IF CurrentUser.AGE > 18', "ac"),
    ('INCLUDE ItemID WHERE Items.GENRE IN ("drama") IF CurrentUser.AGE > 30', "abcde"),
    ('EXCLUDE ItemID WHERE Items.GENRE IN ("drama") IF CurrentUser.AGE > 18 AND CurrentUser.AGE < 30', "bde"),
    (
        'EXCLUDE ItemID WHERE Items.GENRE IN ("drama") IF CurrentUser.AGE > 18 AND CurrentUser.AGE < 20',
        "abcde",
    ),
    ('INCLUDE ItemID WHERE Items.PRICE < 20 IF CurrentUser.MEMBERSHIP IN ("premium", "gold")', "a"),
    ('INCLUDE ItemID WHERE Items.PRICE < 20 IF CurrentUser.MEMBERSHIP NOT IN ("premium")', "abcde"),
    ('INCLUDE ItemID WHERE Items.PRICE < 20 IF CURRENTUSER.membership = "premium"', "a"),
    ('INCLUDE ItemID WHERE Items.PRICE < 20 IF CurrentUser.MEMBERSHIP != "premium"', "abcde"),
    ('INCLUDE ItemID WHERE Items.PRICE < 20 IF CurrentUser.LIKES IN ("action")', "a"),
    ("INCLUDE ItemID WHERE Items.PRICE < 20 IF CurrentUser.AGE IN (25)", "a"),
    ('EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("click") IF CurrentUser.AGE = 25', "cde"),
    # Several expressions.
    ('INCLUDE ItemID WHERE Items.GENRE IN ("action") | INCLUDE ItemID WHERE Items.PRICE = 50', "de"),
    ('EXCLUDE ItemID WHERE Items.GENRE IN ("action") | EXCLUDE ItemID WHERE Items.PRICE = 50', "abc"),
    ('INCLUDE ItemID WHERE Items.GENRE IN ("drama") | EXCLUDE ItemID WHERE Items.PRICE = 10', "c"),
    ('EXCLUDE ItemID WHERE Items.PRICE = 10 | INCLUDE ItemID WHERE Items.GENRE IN ("drama")', "c"),
    (
        'INCLUDE ItemID WHERE Items.GENRE IN ("comedy") '
        '| EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("buy")',
        "c",
    ),
    (
        'INCLUDE ItemID WHERE Items.GENRE IN ("drama") | INCLUDE ItemID WHERE Items.GENRE IN ("action") '
        '| EXCLUDE ItemID WHERE Items.STUDIO IN ("north") | EXCLUDE ItemID WHERE Items.PRICE > 40',
        "cd",
    ),
    (
        'INCLUDE ItemID WHERE Items.GENRE IN ("drama") IF CurrentUser.AGE > 30 '
        '| INCLUDE ItemID WHERE Items.GENRE IN ("action") | EXCLUDE ItemID WHERE Items.PRICE = 50',
        "d",
    ),
    (
        'INCLUDE ItemID WHERE Items.GENRE IN ("drama") IF CurrentUser.AGE > 30 '
        "| EXCLUDE ItemID WHERE Items.PRICE = 50",
        "abcd",
    ),
]


@pytest.mark.parametrize(("expression", "expected"), TABLE)
def test_an_expression_allows(expression: str, expected: str, items: Dataset) -> None:
    assert allowed(items, expression) == expected


def test_the_table_is_long_enough() -> None:
    assert len(TABLE) >= 60


@pytest.mark.parametrize(
    ("expression", "values", "expected"),
    [
        ("INCLUDE ItemID WHERE Items.GENRE IN ($G)", {"G": '"drama"'}, "ac"),
        ("INCLUDE ItemID WHERE Items.GENRE IN ($G)", {"G": '"drama","action"'}, "acd"),
        ("INCLUDE ItemID WHERE Items.GENRE IN ($G)", {"G": " 'drama' , \"action\" "}, "acd"),
        ('INCLUDE ItemID WHERE Items.GENRE IN ("action", $G)', {"G": '"drama"', "OTHER": "no value"}, "acd"),
        ("INCLUDE ItemID WHERE Items.PRICE < $P", {"P": "20"}, "a"),
        ("INCLUDE ItemID WHERE Items.PRICE >= ($P)", {"P": "30.5"}, "ce"),
        ("INCLUDE ItemID WHERE Items.PRICE IN ($P)", {"P": "10,50"}, "ae"),
        ("INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ($E)", {"E": '"BUY"'}, "b"),
        ("EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ($E)", {"E": '"*"'}, "de"),
        ("INCLUDE ItemID WHERE Items.PRICE < 20 IF CurrentUser.MEMBERSHIP = $M", {"M": '"premium"'}, "a"),
        ("INCLUDE ItemID WHERE Items.PRICE < 20 IF CurrentUser.AGE = $A", {"A": "26"}, "abcde"),
        # An EXCLUDE without its parameters excludes nothing because of them.
        ("EXCLUDE ItemID WHERE Items.GENRE IN ($G)", {}, "abcde"),
        ('EXCLUDE ItemID WHERE Items.GENRE IN ($G, "action")', {}, "abce"),
        ("EXCLUDE ItemID WHERE Items.PRICE != $P", {}, "abcde"),
        ("EXCLUDE ItemID WHERE Items.GENRE IN ($G) AND Items.PRICE < 50", {}, "abcde"),
        ("EXCLUDE ItemID WHERE Items.GENRE IN ($G) OR Items.PRICE = 50", {}, "abcd"),
        ("EXCLUDE ItemID WHERE Items.PRICE = 50 IF CurrentUser.AGE > $A", {}, "abcde"),
        (
            "INCLUDE ItemID WHERE Items.PRICE < $P | EXCLUDE ItemID WHERE Items.GENRE IN ($G)",
            {"P": "40"},
            "abc",
        ),
    ],
)
def test_an_expression_with_parameters_allows(
    expression: str, values: dict[str, str], expected: str, items: Dataset
) -> None:
    assert allowed(items, expression, values) == expected


@pytest.mark.parametrize(
    ("expression", "item", "expected"),
    [
        ("INCLUDE ItemID WHERE Items.STUDIO IN CurrentItem.STUDIO", "a", "ab"),
        ("INCLUDE ItemID WHERE Items.GENRE IN CurrentItem.GENRE", "c", "abc"),
        ("INCLUDE ItemID WHERE Items.GENRE NOT IN CurrentItem.GENRE", "c", "de"),
        (
            "INCLUDE ItemID WHERE Items.PRICE < CurrentItem.PRICE AND Items.GENRE IN CurrentItem.GENRE",
            "c",
            "ab",
        ),
        ("INCLUDE ItemID WHERE Items.PRICE < CurrentItem.PRICE", "d", ""),
        ("INCLUDE ItemID WHERE Items.PRICE < CurrentItem.PRICE", "unknown", ""),
        ("EXCLUDE ItemID WHERE Items.PRICE < CurrentItem.PRICE", "unknown", "abcde"),
    ],
)
def test_an_expression_with_the_current_item_allows(
    expression: str, item: str, expected: str, items: Dataset
) -> None:
    assert allowed(items, expression, item=item) == expected


def test_another_user_an_unknown_one_and_nobody_get_other_items(items: Dataset) -> None:
    expression = 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("click")'
    assert [allowed(items, expression, user=user) for user in ("ann", "bob", "who", None)] == [
        "cde",
        "abce",
        "abcde",
        "abcde",
    ]
    expression = "INCLUDE ItemID WHERE Items.PRICE < 20 IF CurrentUser.AGE > 18"
    assert [allowed(items, expression, user=user) for user in ("bob", "who")] == ["a", "abcde"]
    with pytest.raises(InvalidInputError, match="CurrentUser, which needs a userId"):
        allowed(items, expression, user=None)


def test_an_unknown_item_passes_exclude_and_not_include(items: Dataset) -> None:
    for expression, expected in (
        ("EXCLUDE ItemID WHERE Items.PRICE > 0", ("x",)),
        ("INCLUDE ItemID WHERE Items.PRICE > 0", ()),
    ):
        mask = items.allowed(parse(expression), {}, "ann")
        assert items.known(mask, ["x"]) == expected


@pytest.mark.parametrize(
    ("expression", "values", "named"),
    [
        ("INCLUDE ItemID WHERE Items.GENRE IN ($G)", {}, "parameter G .* missing"),
        (
            "INCLUDE ItemID WHERE Items.PRICE = 1 IF CurrentUser.AGE = $A",
            {"a": "1"},
            "parameter A .* missing",
        ),
        ("INCLUDE ItemID WHERE Items.GENRE IN ($G)", {"G": "drama"}, "filterValues.G must be"),
        ("INCLUDE ItemID WHERE Items.GENRE IN ($G)", {"G": ""}, "filterValues.G must be"),
        ("INCLUDE ItemID WHERE Items.GENRE IN ($G)", {"G": '"drama",'}, "filterValues.G must be"),
        ("INCLUDE ItemID WHERE Items.GENRE IN ($G)", {"G": '"drama'}, "filterValues.G must be"),
        ("INCLUDE ItemID WHERE Items.PRICE < $P", {"P": '"20"'}, "PRICE is compared with a number"),
        ("INCLUDE ItemID WHERE Items.PRICE < $P", {"P": "20,30"}, "PRICE is compared with one value"),
        ("INCLUDE ItemID WHERE Items.PRISE < 20", {}, "column PRISE"),
        ("INCLUDE ItemID WHERE Items.PRICE < 20 IF CurrentUser.AGES > 18", {}, "column AGES"),
        ("INCLUDE ItemID WHERE Items.PRICE < CurrentItem.PRICE", {}, "CurrentItem, which needs an itemId"),
        ("INCLUDE ActionID WHERE Actions.VALUE > 1", {}, "for actions, not for items"),
        ('INCLUDE UserID WHERE Users.NAME IN ("x")', {}, "for users"),
    ],
)
def test_a_request_that_a_filter_cannot_serve_is_refused(
    expression: str, values: dict[str, str], named: str, items: Dataset
) -> None:
    with pytest.raises(InvalidInputError, match=named):
        allowed(items, expression, values)


@pytest.mark.parametrize(
    ("expression", "column", "expected"),
    [
        ("", 1, "expected INCLUDE or EXCLUDE, found the end"),
        ("SELECT ItemID", 1, "expected INCLUDE or EXCLUDE, found 'SELECT ItemID'"),
        ("INCLUDE Items WHERE", 9, "expected ItemID, ActionID or UserID"),
        ("INCLUDE ItemIDs WHERE", 9, "expected ItemID, ActionID or UserID"),
        ('INCLUDE ItemID Items.GENRE IN ("a")', 16, "expected WHERE"),
        ('INCLUDE ItemID WHERE (Items.A IN ("a"))', 22, "expected a dataset"),
        ("INCLUDE ItemID WHERE Items.A", 29, "expected a comparison .* or IN or NOT, found the end"),
        ('INCLUDE ItemID WHERE Items.A IN "a"', 33, r"expected CurrentItem or '\('"),
        ("INCLUDE ItemID WHERE Items.A IN (a)", 34, "expected a text in quotes"),
        ("INCLUDE ItemID WHERE Items.A IN (“a”)", 34, "expected a text in quotes"),
        ('INCLUDE ItemID WHERE Items.A IN ("a)', 34, "expected a text in quotes"),
        ("INCLUDE ItemID WHERE Items.A IN ()", 34, "expected a text in quotes"),
        ('INCLUDE ItemID WHERE Items.A IN ("a" "b")', 38, r"expected '\)' or ','"),
        ("INCLUDE ItemID WHERE Items.A == 1", 31, "expected"),
        ('INCLUDE ItemID WHERE Items.A = "a"', 32, "expected a number or a parameter"),
        ("INCLUDE ItemID WHERE Items.A NOT IN ($A)", 38, "NOT IN takes no parameter"),
        ('INCLUDE ItemID WHERE Items.A IN ("*")', 34, "stands for event types only"),
        ('INCLUDE ItemID WHERE Users.A IN ("a")', 22, "expected Items or Interactions after ItemID"),
        ('INCLUDE ItemID WHERE CurrentUser.A IN ("a")', 22, "expected Items or Interactions"),
        ('INCLUDE ActionID WHERE Items.A IN ("a")', 24, "expected Actions or Action_Interactions"),
        ('INCLUDE ItemID WHERE Interactions.DEVICE IN ("a")', 35, "expected EVENT_TYPE"),
        ("EXCLUDE ItemID WHERE Interactions.EVENT_TYPE = 1", 46, "expected IN or NOT IN"),
        ("EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN CurrentItem.A", 49, "expected a value"),
        (
            'INCLUDE ItemID WHERE Items.A IN ("a") AND Interactions.EVENT_TYPE IN ("a")',
            43,
            "expected Items because all conditions of one expression are on one dataset",
        ),
        ('INCLUDE ItemID WHERE Items.A IN ("a") IF Users.B = 1', 42, "expected CurrentUser after IF"),
        ('INCLUDE ItemID WHERE Items.A IN ("a") IF CurrentUser.B = CurrentItem.C', 58, "expected a value"),
        ('INCLUDE ItemID WHERE Items.A IN ("a") IF CurrentUser.B < "x"', 58, "expected a number"),
        ("INCLUDE ItemID WHERE Items.A = 1 IF CurrentUser.B = 1 OR CurrentUser.C = 1", 55, "expected .* AND"),
        ("INCLUDE ItemID WHERE Items.A = 1 IF CurrentUser.B = 1 IF CurrentUser.C = 1", 55, "expected .* AND"),
        ("INCLUDE ItemID WHERE Items.A = 1 | EXCLUDE ActionID WHERE Actions.B = 1", 44, "expected the same"),
        ("INCLUDE ItemID WHERE Items.A = 1 |", 35, "expected INCLUDE or EXCLUDE, found the end"),
        ("INCLUDE ItemID WHERE Items.A = true", 32, "expected a text in quotes or a number or a parameter"),
        (
            "INCLUDE ItemID WHERE " + " OR ".join(f"Items.A{number} = 1" for number in range(11)),
            188,
            "expected at most 10 different fields",
        ),
    ],
)
def test_a_text_that_is_no_filter_is_refused_at_its_column(
    expression: str, column: int, expected: str
) -> None:
    with pytest.raises(FilterSyntaxError, match=f"^column {column}: .*{expected}"):
        parse(expression)


def test_the_limits_of_a_filter_are_reached() -> None:
    fields = " OR ".join(f"Items.A{number} = 1 OR ITEMS.a{number} = 2" for number in range(10))
    parse(f"INCLUDE ItemID WHERE {fields}")
    start, end = 'INCLUDE ItemID WHERE Items.A IN ("', '")'
    parse(start + "x" * (MAX_CHARACTERS - len(start + end)) + end)
    with pytest.raises(FilterSyntaxError, match="at most 2,500 characters, found 2,501"):
        parse(start + "x" * (MAX_CHARACTERS - len(start + end) + 1) + end)


def test_only_the_newest_events_of_each_type_count() -> None:
    dataset = Dataset(Target.ITEMS, Users())
    for number in range(NEWEST_EVENTS + 1):
        dataset.interactions.add_event("s", "ann", f"clicked-{number}", number, "click")
    dataset.interactions.add_event("s", "ann", "bought", -1, "buy")
    for types in ('"click", "buy"', '"*"'):
        mask = dataset.allowed(parse(f"EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ({types})"), {}, "ann")
        assert dataset.known(mask, dataset.interactions.item_ids) == ("clicked-0",)


def test_a_record_that_is_put_again_is_found_by_its_new_values_only(items: Dataset) -> None:
    dataset = Dataset(Target.ITEMS, Users())
    drama, cheap = 'INCLUDE ItemID WHERE Items.GENRE IN ("drama")', "INCLUDE ItemID WHERE Items.PRICE < 5"
    for values, expected in (
        ({"genre": "drama", "price": 7}, ("a", "")),
        ({"genre": "comedy|drama", "price": 2}, ("a", "a")),
        ({"genre": "comedy", "price": 2.5}, ("", "a")),
        ({"genre": None}, ("", "")),
    ):
        dataset.put(Record("a", values))
        assert (allowed(dataset, drama), allowed(dataset, cheap)) == expected


@pytest.mark.parametrize(
    ("expression", "values", "expected"),
    [
        ('EXCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN ("NOT_TAKEN")', {}, "bc"),
        ("INCLUDE ActionID WHERE Action_Interactions.event_type IN ($E)", {"E": '"taken"'}, "b"),
        ('EXCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN ("*")', {}, "c"),
        ("INCLUDE ActionID WHERE Actions.VALUE > ($VALUE)", {"VALUE": "2"}, "bc"),
        ('INCLUDE ActionID WHERE Action.KIND IN ("x") IF CurrentUser.AGE = $AGE', {"AGE": "25"}, "a"),
        (
            "INCLUDE ActionID WHERE Actions.VALUE > 1 "
            '| EXCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN ("Taken")',
            {},
            "c",
        ),
    ],
)
def test_an_expression_about_actions_allows(expression: str, values: dict[str, str], expected: str) -> None:
    users = Users()
    users.put(Record("ann", USERS["ann"]))
    dataset = Dataset(Target.ACTIONS, users, Interactions(type_key=event_type_key))
    for action_id, kind, value in (("a", "x", 1), ("b", "y", 3), ("c", "y", 5)):
        dataset.put(Record(action_id, {"kind": kind, "value": value}))
    dataset.interactions.add_history([("ann", "a", 1, "Not Taken"), ("ann", "b", 2, "Taken")])
    assert allowed(dataset, expression, values) == expected


def test_a_dataset_without_any_value_refuses_no_column() -> None:
    dataset = Dataset(Target.ITEMS, Users())
    dataset.put(Record("a"))
    assert allowed(dataset, "EXCLUDE ItemID WHERE Items.PRICE < 5 IF CurrentUser.AGE > 18") == "a"
    with pytest.raises(InvalidInputError, match="no column PRICE"):
        dataset.require(["PRICE"])


# Laws

CONDITIONS = st.one_of(
    st.tuples(
        st.sampled_from(("IN", "NOT IN")), st.lists(st.sampled_from(("drama", "comedy", "x")), min_size=1)
    ).map(lambda drawn: f"Items.GENRE {drawn[0]} ({', '.join(json.dumps(value) for value in drawn[1])})"),
    st.tuples(
        st.sampled_from(("=", "!=", "<", "<=", ">", ">=")), st.sampled_from((10, 20, 25, 30.5, 60))
    ).map(lambda drawn: f"Items.PRICE {drawn[0]} {drawn[1]}"),
    st.sampled_from(("click", "buy", "*", "none")).map(lambda kind: f'Interactions.EVENT_TYPE IN ("{kind}")'),
    st.sampled_from(("click", "buy", "*", "none")).map(
        lambda kind: f'Interactions.EVENT_TYPE NOT IN ("{kind}")'
    ),
)


def as_set(dataset: Dataset, expression: str) -> set[str]:
    return set(allowed(dataset, expression))


@given(CONDITIONS)
def test_exclude_and_include_of_one_condition_share_nothing_and_miss_nothing(
    items: Dataset, condition: str
) -> None:
    included = as_set(items, f"INCLUDE ItemID WHERE {condition}")
    excluded = as_set(items, f"EXCLUDE ItemID WHERE {condition}")
    assert included | excluded == set(ITEMS)
    assert not included & excluded


@given(CONDITIONS, CONDITIONS)
def test_several_expressions_are_unions_and_differences_in_any_order(items: Dataset, a: str, b: str) -> None:
    include_a, include_b = (f"INCLUDE ItemID WHERE {each}" for each in (a, b))
    exclude_a, exclude_b = (f"EXCLUDE ItemID WHERE {each}" for each in (a, b))
    everything, in_a, in_b = set(ITEMS), as_set(items, include_a), as_set(items, include_b)
    for first, second, expected in (
        (include_a, include_b, in_a | in_b),
        (exclude_a, exclude_b, everything - in_a - in_b),
        (include_a, exclude_b, in_a - in_b),
    ):
        assert as_set(items, f"{first} | {second}") == expected
        assert as_set(items, f"{second} | {first}") == expected


@given(CONDITIONS, CONDITIONS, CONDITIONS)
def test_and_binds_before_or(items: Dataset, a: str, b: str, c: str) -> None:
    if len({each.partition(".")[0] for each in (a, b, c)}) > 1:
        return
    in_a, in_b, in_c = (as_set(items, f"INCLUDE ItemID WHERE {each}") for each in (a, b, c))
    assert as_set(items, f"INCLUDE ItemID WHERE {a} OR {b} AND {c}") == in_a | in_b & in_c
    assert as_set(items, f"INCLUDE ItemID WHERE {a} AND {b} OR {c}") == in_a & in_b | in_c


OPERANDS = st.sampled_from(('"drama"', "'x'", "5", "-1e2", "$P", "$Q", '"*"'))
FIELDS = st.sampled_from(("Items.GENRE", "items.price", "Items.NOTHING", "Interactions.EVENT_TYPE"))
USER_FIELDS = st.sampled_from(("CurrentUser.AGE", "CurrentUser.membership", "CurrentUser.NOTHING"))
OPERATORS = st.sampled_from(("=", "!=", "<", "<=", ">", ">="))


def conditions_on(fields: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    lists = st.lists(OPERANDS, min_size=1, max_size=3).map(lambda values: f"({', '.join(values)})")
    current = st.sampled_from(("CurrentItem.GENRE", "CurrentItem.PRICE"))
    return st.one_of(
        st.tuples(fields, st.sampled_from(("IN", "NOT IN")), lists | current).map(" ".join),
        st.tuples(fields, OPERATORS, OPERANDS | current | st.just("($P)")).map(" ".join),
    )


EXPRESSIONS = st.tuples(
    st.sampled_from(("INCLUDE", "EXCLUDE")),
    st.lists(conditions_on(FIELDS), min_size=1, max_size=3).map(" OR ".join),
    st.lists(conditions_on(USER_FIELDS), max_size=2).map(
        lambda conditions: " IF " + " AND ".join(conditions) if conditions else ""
    ),
).map(lambda parts: f"{parts[0]} ItemID WHERE {parts[1]}{parts[2]}")


@given(
    expressions=st.lists(EXPRESSIONS, min_size=1, max_size=3),
    values=st.dictionaries(st.sampled_from("PQ"), st.sampled_from(('"drama","x"', "5", "'*'", "1,2", "x"))),
    user=st.sampled_from((None, "ann", "who")),
    item=st.sampled_from((None, "c", "d", "unknown")),
)
def test_any_filter_is_applied_or_refused_in_the_words_of_the_service(
    items: Dataset, expressions: list[str], values: dict[str, str], user: str | None, item: str | None
) -> None:
    try:
        found = allowed(items, " | ".join(expressions), values, user, item)
    except (FilterSyntaxError, InvalidInputError):
        return
    assert set(found) <= set(ITEMS)


# Costs: CPU seconds are counted in a process of its own. Linear work on the longest text takes milliseconds.

PROGRAM = """
import json, resource, sys, time
from local.personalize.dataset import Dataset, Users
from local.personalize.errors import InvalidInputError
from local.personalize.filters.parser import FilterSyntaxError, MAX_CHARACTERS, parse
from local.personalize.filters.tree import Target
from local.personalize.requests import Record
resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
items = Dataset(Target.ITEMS, Users())
for number in range(1000):
    items.put(Record(str(number), {"a": number}))
items.allowed(parse("INCLUDE ItemID WHERE Items.A = 1"), {}, "ann")
for head, piece, tail in json.load(sys.stdin):
    text = (head + piece * ((MAX_CHARACTERS - len(head) - len(tail)) // len(piece)) + tail)[:MAX_CHARACTERS]
    started = time.process_time()
    try:
        items.allowed(parse(text), {}, "ann")
    except (FilterSyntaxError, InvalidInputError):
        pass
    if time.process_time() - started > 0.5:
        sys.exit(f"slow: {text[:100]!r}")
"""
START = "INCLUDE ItemID WHERE Items.A "
PIECES = [
    " ", "(", '"', "'", "|", "a", "0", "$a", ".", "=", "\n", "INCLUDE ", "Items.A ", " OR Items.A = 1",
    " AND Items.A = 1", ",1", ',"a"', "NOT ", "IF ", "CurrentUser.A = 1 AND ", "é", "-1", "1e1", '""',
    "| " + START + "= 1 ",
]  # fmt: skip
TEXTS = [
    (head, piece, tail)
    for head in ("", START, START + "= 1", START + "IN (1", START + "= 1 IF ", START + 'IN ("')
    for piece in PIECES
    for tail in ("", ")", '"')
]


def cost_of(texts: list[tuple[str, str, str]]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=Path(__file__).parents[2],
    )


@pytest.mark.slow
def test_no_expression_costs_more_than_linear_time() -> None:
    ended = cost_of(TEXTS)
    assert (ended.returncode, ended.stderr) == (0, "")


@given(st.text(st.sampled_from("IiNnCLUDEeItmsAaRrWH.=<>!()'\"$|,*019 \n\u202e\ud800"), max_size=60))
def test_any_text_is_a_filter_or_is_refused_with_a_column(text: str) -> None:
    for expression in (text, START + text):
        try:
            parse(expression)
        except FilterSyntaxError as error:
            assert 1 <= error.column <= len(expression) + 1
            assert error.problem.startswith("expected ")
            assert error.problem.isprintable()


# The file


def folder_with(folder: Path, filters: str) -> Path:
    (folder / "interactions.csv").write_text("USER_ID,ITEM_ID,TIMESTAMP\n")
    (folder / "filters.json").write_text(filters)
    return folder


def test_filters_are_read_by_name(tmp_path: Path) -> None:
    expression = "INCLUDE ItemID WHERE Items.A = 1"
    entries = [{"name": "a-1", "filterExpression": expression, "datasetGroupArn": "arn", "tags": []}]
    assert read_folder(folder_with(tmp_path, json.dumps(entries))).filters == {"a-1": parse(expression)}
    assert read_folder(folder_with(tmp_path, "[]")).filters == {}
    (tmp_path / "filters.json").unlink()
    assert read_folder(tmp_path).filters == {}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "line 1: is not JSON: wrong at column 1; write it like"),
        ('[\n{"name": }]', "line 2: is not JSON: wrong at column 10"),
        ("[" * 100_000, "is not JSON; write it like"),
        ("{}", "is not a list of filters; write it like"),
        ("[1]", "the filter number 1 is not an object"),
        ('[{"name": "a", "expression": "x"}]', "the filter number 1 has the unknown member 'expression'"),
        ('[{"name": "-a", "filterExpression": "x"}]', "the filter number 1 has no valid name"),
        ('[{"filterExpression": "x"}]', "the filter number 1 has no valid name"),
        ('[{"name": "a"}]', "the filter a has no filterExpression"),
        ('[{"name": "a", "filterExpression": 1}]', "the filter a has no filterExpression"),
        (
            '[{"name": "a", "filterExpression": "INCLUDE ItemID WHERE"}]',
            "the filter a is wrong at column 21: expected a dataset such as Items, found the end; correct",
        ),
        (
            json.dumps([{"name": "a", "filterExpression": "INCLUDE ItemID WHERE Items.A = 1"}] * 2),
            "the name a is there twice; rename",
        ),
    ],
)
def test_a_bad_file_is_one_sentence(content: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ImportFileError) as raised:
        read_folder(folder_with(tmp_path, content))
    message = str(raised.value)
    assert message.startswith(f"{tmp_path / 'filters.json'}")
    assert said in message
    assert message.isprintable()


@pytest.mark.parametrize(
    ("name", "values", "allowed_ids", "other_id"),
    [
        ("of-a-genre", {"GENRE": '"poetry","gothic"'}, {"dracula", "leaves-of-grass"}, "moby-dick"),
        ("older-than", {"YEAR": "1605"}, {"hamlet"}, "dracula"),
        ("not-read", {}, {"dracula"}, "read-by-reader-001"),
        ("for-the-reader", {}, {"dracula"}, "black-beauty"),
        ("same-author", {}, {"macbeth"}, "dracula"),
        ("actions-of-a-kind", {"KIND": '"loans"'}, {"renew-a-loan", "reserve-a-book"}, "give-a-donation"),
        ("actions-not-refused", {}, {"give-a-donation"}, "renew-a-loan"),
    ],
)
def test_the_filters_of_the_catalogue_do_what_its_readme_says(
    name: str, values: dict[str, str], allowed_ids: set[str], other_id: str
) -> None:
    folder = read_folder(FOLDER)
    users = Users()
    datasets = {target: Dataset(target, users) for target in (Target.ITEMS, Target.ACTIONS)}
    for dataset, records in zip(datasets.values(), (folder.items, folder.actions), strict=True):
        for record_id, properties in records.items():
            dataset.put(Record(record_id, properties))
    for user_id, properties in folder.users.items():
        users.put(Record(user_id, properties))
    datasets[Target.ITEMS].interactions.add_history([("reader-001", "read-by-reader-001", 1, "read")])
    datasets[Target.ACTIONS].interactions.add_history([("reader-001", "renew-a-loan", 1, "not taken")])
    wanted = folder.filters[name]
    dataset = datasets[wanted.target]
    found = dataset.known(
        dataset.allowed(wanted, values, "reader-001", "hamlet"), dataset.interactions.item_ids
    )
    assert allowed_ids <= set(found)
    assert other_id in dataset.interactions.item_ids
    assert other_id not in found
