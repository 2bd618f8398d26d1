"""The running system while one campaign fails in each way: lists, pages, and the way back.

How long the responses take is measured by ``make bench PART=outage``.
"""

import itertools

import pytest

from bench.outage import FAULTS

STATUSES = {"throttling": 429, "access denied": 502, "campaign missing": 502}
"""Without anything that stands in. The others are 503."""

numbers = itertools.count()


@pytest.fixture
def faults(stack):
    """``faults(**settings)`` switches faults of the engine on. The fixture switches them off at the end."""
    yield stack.engine.set_faults
    stack.engine.set_faults()


@pytest.fixture
def ask(post):
    """``ask(**body)`` is the status and the body for a user who has asked nothing before."""

    def run(**body):
        return post("recommendations", {"userId": f"visitor-{next(numbers)}", "numResults": 4} | body)[:2]

    return run


@pytest.fixture
def healthy(ask, eventually):
    """Wait until a campaign responds by itself again: another test may have opened its circuit."""

    def wait(campaign):
        return eventually(lambda: ask(campaign=campaign)[1].get("source") == "personalize", seconds=60.0)

    return wait


@pytest.mark.parametrize("fault", FAULTS)
def test_every_list_and_every_page_has_items_while_the_campaign_fails_and_then_its_own(
    ask, post, faults, healthy, fault
):
    healthy("local")
    kept = post("recommendations", {"userId": f"kept-{fault}", "numResults": 4})[1]
    faults(campaigns=["local"], **FAULTS[fault])
    for _ in range(6):
        status, body = ask()
        assert (status, len(body["itemList"]), body["source"]) == (200, 4, "fallback")
    found = post("recommendations", {"userId": f"kept-{fault}", "numResults": 4})[1]
    assert found == kept | {"source": "stale"}
    page = {"requests": [{"userId": f"visitor-{next(numbers)}", "numResults": 3} for _ in range(10)]}
    status, body, _ = post("recommendations", page | {"unique": True})
    items = [item["itemId"] for each in body["results"] for item in each["itemList"]]
    assert (status, len(items), len({*items})) == (200, 30, 30)
    faults()
    assert healthy("local")


@pytest.mark.parametrize("fault", ["hang", "half a response", "reset", "throttling", "campaign missing"])
def test_without_a_fallback_the_error_is_the_documented_one(ask, faults, healthy, fault):
    """The fallback campaign itself has none."""
    healthy("popular")
    faults(campaigns=["popular"], **FAULTS[fault])
    found = [ask(campaign="popular")[0] for _ in range(2)]
    assert found == [STATUSES.get(fault, 503)] * 2
    assert ask()[0] == 200, "the other campaign does not mind"


def test_a_page_has_each_outcome_in_the_order_of_its_requests(post):
    requests = [
        {"name": "for you", "userId": "nobody-had-anything", "numResults": 3},
        {"name": "no such filter", "userId": "reader-001", "filter": "nowhere"},
        {"userId": "null"},
        "not a request",
        {"name": "similar", "itemId": "dracula", "campaign": "similar", "numResults": 2},
        {"name": 7, "userId": "reader-001"},
        {"name": "n" * 257, "userId": "reader-001"},
        {"name": "misspelt", "user_id": "reader-001"},
        {"name": "in a page", "requests": []},
    ]
    status, body, headers = post("recommendations", {"requests": requests})
    assert status == 200
    assert headers["Cache-Control"] == "no-store"
    names = [each.get("name") for each in body["results"]]
    assert names == ["for you", "no such filter", None, None, "similar", None, None, "misspelt", "in a page"]
    lengths = [len(each["itemList"]) if "itemList" in each else each["Code"] for each in body["results"]]
    wrong = "BadRequestError"
    assert lengths == [3, "NotFoundError", wrong, wrong, 2, wrong, wrong, wrong, wrong]
    messages = [each.get("Message", "") for each in body["results"]]
    assert messages[3] == "The request must be an object."
    assert messages[5].startswith("name must be ")
    assert messages[6].startswith("name must have at most 256 characters")
    assert "Did you mean userId?" in messages[7]


def test_unique_rows_are_full_although_their_campaigns_agree(post):
    """Three times the same list, and one that is asked for with metadata."""
    row = {"userId": "nobody-had-anything", "numResults": 10}
    requests = [row, row, row | {"metadataColumns": {"ITEMS": ["TITLE"]}}, row]
    lists = {}
    for unique in (False, True):
        _, body, _ = post("recommendations", {"requests": requests, "unique": unique})
        lists[unique] = [[item["itemId"] for item in each["itemList"]] for each in body["results"]]
    assert lists[False][0] == lists[False][1] == lists[False][2]
    assert [len(each) for each in lists[True]] == [10] * 4
    assert len({item for each in lists[True] for item in each}) == 40
    assert lists[True][0] == lists[False][0]


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ({"requests": []}, "requests must not be empty."),
        ({"requests": [{"userId": "u"}] * 11}, "requests must have at most 10 entries."),
        ({"requests": {"userId": "u"}}, "requests must be an array, not an object."),
        ({"requests": [{"userId": "u"}], "unique": "yes"}, "unique must be "),
        ({"requests": [{"userId": "u"}], "userId": "u"}, "The body has no field 'userId'."),
        ({"Requests": [{"userId": "u"}]}, "requests is missing; there is 'Requests'. Did you mean requests?"),
    ],
)
def test_a_page_that_is_none_is_refused_by_field(post, page, sentence):
    status, body, _ = post("recommendations", page)
    assert status == 400
    assert body["Message"].startswith(sentence)
