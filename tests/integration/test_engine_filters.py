"""Filters, campaigns, promotions, metadata and actions of the engine, as boto3 sees them."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from local.personalize import (
    CAMPAIGN_ARN,
    CAMPAIGN_ARNS,
    FILTER_ARN_PREFIX,
    ITEMS_DATASET_ARN,
    TRACKING_ID,
    USERS_DATASET_ARN,
)
from local.personalize.process import EngineProcessError, running_engine
from tests.support.engine_clients import INVALID, NOT_FOUND, EngineClients, error_of, write_filters

FILTERS = {
    "of-genre": "INCLUDE ItemID WHERE Items.GENRE IN ($GENRE)",
    "not-of-genre": "EXCLUDE ItemID WHERE Items.GENRE IN ($GENRE)",
    "cheap": "INCLUDE ItemID WHERE Items.PRICE < 20",
    "not-clicked": 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("click")',
    "clicked": 'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("click")',
    "cheaper": "INCLUDE ItemID WHERE Items.PRICE < CurrentItem.PRICE",
    "for-members": 'EXCLUDE ItemID WHERE Items.GENRE IN ("drama") IF CurrentUser.MEMBER = 1',
    "actions": "INCLUDE ActionID WHERE Actions.VALUE > 5",
}
ITEMS = [(f"item-{n}", ("drama", "comedy", "action")[n % 3], str(10 * n)) for n in range(12)]


def write_folder(folder: Path) -> Path:
    rows = [
        f"user-{n},{item_id},{n},click" for n in range(40) for item_id, *_ in ITEMS if (n + len(item_id)) % 3
    ]
    (folder / "interactions.csv").write_text("\n".join(["USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE", *rows]))
    (folder / "items.csv").write_text("\n".join(["ITEM_ID,GENRE,PRICE", *map(",".join, ITEMS)]))
    write_filters(folder, FILTERS)
    return folder


class Caller(EngineClients):
    """Short forms of the calls in this file."""

    def recommend(self, name: str | None = None, **arguments: Any) -> list[str]:
        return [item["itemId"] for item in self.list(name, **arguments)]

    def list(self, name: str | None = None, **arguments: Any) -> list[Any]:
        chosen = {"filterArn": FILTER_ARN_PREFIX + name} if name is not None else {}
        arguments = {"campaignArn": CAMPAIGN_ARN, "userId": "nobody", "numResults": 500} | chosen | arguments
        items: list[Any] = self.runtime.get_recommendations(**arguments)["itemList"]
        return items

    def click(self, user: str, *item_ids: str, kind: str = "click") -> None:
        events = [{"eventType": kind, "itemId": item_id, "sentAt": time.time()} for item_id in item_ids]
        self.events.put_events(trackingId=TRACKING_ID, sessionId=user, userId=user, eventList=events)


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    folder = write_folder(tmp_path_factory.mktemp("data"))
    with (
        running_engine(data=folder, database=folder / "events.db") as engine,
        closing(Caller(engine)) as each,
    ):
        yield each


@pytest.fixture
def user() -> str:
    return f"user-{uuid.uuid4()}"


def ids(*, genre: str | None = None, below: float = 1000) -> set[str]:
    return {item_id for item_id, of, price in ITEMS if genre in (of, None) and float(price) < below}


# Campaigns


def test_every_campaign_behaves_like_its_recipe(caller: Caller, user: str) -> None:
    popular, similar = ({"campaignArn": CAMPAIGN_ARNS[name]} for name in ("popular", "similar"))
    everything = caller.recommend()
    caller.click(user, everything[0])
    assert everything[0] not in caller.recommend(userId=user)
    assert caller.recommend(userId=user, **popular) == caller.recommend(userId="nobody", **popular)
    assert everything[0] in caller.recommend(userId=user, **popular)
    assert everything[0] not in caller.recommend("not-clicked", userId=user, **popular)
    related = caller.recommend(itemId="item-3", userId=user, **similar)
    assert related == caller.recommend(itemId="item-3", userId="nobody", **similar)
    assert set(related) >= ids() - {"item-3"}
    assert "item-3" not in related


def test_a_campaign_refuses_what_its_recipe_cannot_do(caller: Caller) -> None:
    def rank(name: str) -> list[str]:
        response = caller.runtime.get_personalized_ranking(
            campaignArn=CAMPAIGN_ARNS[name], userId="nobody", inputList=["item-1", "item-2"]
        )
        return [item["itemId"] for item in response["personalizedRanking"]]

    assert rank("ranking") == rank("local")
    for name in ("popular", "similar"):
        assert error_of(lambda name=name: rank(name)) == INVALID  # type: ignore[misc]
    assert error_of(lambda: caller.recommend(campaignArn=CAMPAIGN_ARNS["ranking"])) == INVALID
    assert error_of(lambda: caller.recommend(campaignArn=CAMPAIGN_ARNS["similar"])) == INVALID
    assert error_of(lambda: caller.recommend(campaignArn=CAMPAIGN_ARN + "x")) == NOT_FOUND
    popular = {"campaignArn": CAMPAIGN_ARNS["popular"], "itemId": "item-1"}
    assert error_of(lambda: caller.recommend("cheaper", **popular)) == INVALID


def test_metadata_comes_from_campaigns_that_have_it_enabled(caller: Caller, user: str) -> None:
    properties = {"genre": "meta", "price": 4.5, "pageCount": 1200, "inPrint": True, "notes": None}
    caller.events.put_items(
        datasetArn=ITEMS_DATASET_ARN, items=[{"itemId": user, "properties": json.dumps(properties)}]
    )
    columns = ["GENRE", "price", "PAGE_COUNT", "inPrint"]
    asked: dict[str, Any] = {
        "name": "of-genre",
        "filterValues": {"GENRE": '"meta"'},
        "metadataColumns": {"ITEMS": columns},
        "numResults": 50,
    }
    [item] = caller.list(**asked)
    assert item["metadata"] == {"GENRE": "meta", "price": "4.5", "PAGE_COUNT": "1200", "inPrint": "true"}
    [item] = caller.list(**asked, campaignArn=CAMPAIGN_ARNS["similar"], itemId="item-1")
    assert item["metadata"]["price"] == "4.5"
    assert error_of(lambda: caller.list(**asked, campaignArn=CAMPAIGN_ARNS["popular"])) == INVALID
    assert error_of(lambda: caller.list(**asked | {"metadataColumns": {"ITEMS": ["WEIGHT"]}})) == INVALID
    assert error_of(lambda: caller.list(**asked | {"numResults": 51})) == INVALID


# Promotions


def promotion(name: str, percent: int, **members: Any) -> dict[str, Any]:
    found = {"name": "sale", "percentPromotedItems": percent, "filterArn": FILTER_ARN_PREFIX + name}
    return {"promotions": [found | members]}


def test_a_share_of_the_items_is_promoted_at_random_positions(caller: Caller) -> None:
    by_relevance = caller.recommend()
    comedy = {"filterValues": {"GENRE": '"comedy"'}}
    placed = set()
    for _ in range(20):
        items = caller.list("cheap", numResults=4, **promotion("of-genre", 50, **comedy))
        promoted = [item["itemId"] for item in items if item.get("promotionName") == "sale"]
        assert all(item["reason"] == ["Promoted item"] for item in items if "promotionName" in item)
        others = [item["itemId"] for item in items if "promotionName" not in item and "reason" not in item]
        assert promoted == [item_id for item_id in by_relevance if item_id in ids(genre="comedy")][:2]
        cheap = [item_id for item_id in by_relevance if item_id in ids(below=20) and item_id not in promoted]
        assert [item_id for item_id in others if item_id in ids()] == cheap[:2]
        placed.add(tuple("promotionName" in item for item in items))
    assert len(placed) > 1


def test_too_few_promoted_items_leave_their_places_to_the_others(caller: Caller) -> None:
    fresh = {"filterValues": {"GENRE": '"no such genre"'}}
    assert caller.recommend(numResults=5, **promotion("of-genre", 100, **fresh)) == caller.recommend(
        numResults=5
    )
    items = caller.list(numResults=8, **promotion("cheap", 100))
    assert {item["itemId"] for item in items if "promotionName" in item} >= ids(below=20)
    assert len({item["itemId"] for item in items}) == len(items) == 8


def test_a_promotion_that_cannot_be_made_is_refused(caller: Caller) -> None:
    assert error_of(lambda: caller.list(**promotion("no-such-filter", 10))) == NOT_FOUND
    assert error_of(lambda: caller.list(**promotion("of-genre", 10))) == INVALID
    assert error_of(lambda: caller.list(**promotion("cheap", 101))) == INVALID
    assert error_of(lambda: caller.list(promotions=[{"name": "p", "percentPromotedItems": 10}])) == INVALID


# Filters


def test_a_filter_acts_on_recommendations_related_items_and_rankings(caller: Caller) -> None:
    drama = {"filterValues": {"GENRE": '"drama"'}}
    everything = caller.recommend()
    expected = [item_id for item_id in everything if item_id in ids(genre="drama")]
    assert caller.recommend("of-genre", **drama) == expected
    assert ids() & set(caller.recommend("not-of-genre", **drama)) == ids() - ids(genre="drama")
    assert caller.recommend("not-of-genre") == everything
    assert ids() & set(caller.recommend("cheaper", itemId="item-3")) == ids(below=30)
    ranking = caller.runtime.get_personalized_ranking(
        campaignArn=CAMPAIGN_ARN,
        userId="nobody",
        inputList=["item-1", "item-3", "unknown", "item-0"],
        filterArn=FILTER_ARN_PREFIX + "of-genre",
        **drama,
    )["personalizedRanking"]
    assert {item["itemId"] for item in ranking} == {"item-0", "item-3"}


def test_a_filter_on_events_decides_which_known_items_come_again(caller: Caller, user: str) -> None:
    caller.click(user, "item-1")
    caller.click(user, "item-2", kind="view")
    assert ids() & set(caller.recommend(userId=user)) == ids() - {"item-1", "item-2"}
    assert ids() & set(caller.recommend("not-clicked", userId=user)) == ids() - {"item-1"}
    assert caller.recommend("clicked", userId=user) == ["item-1"]


def test_a_filter_that_cannot_be_applied_is_refused_as_the_service_does(caller: Caller) -> None:
    assert error_of(lambda: caller.recommend("no-such-filter")) == NOT_FOUND
    assert error_of(lambda: caller.recommend(filterArn=CAMPAIGN_ARN)) == NOT_FOUND
    assert error_of(lambda: caller.recommend("of-genre")) == INVALID
    assert error_of(lambda: caller.recommend("of-genre", filterValues={"GENRE": "drama"})) == INVALID
    assert error_of(lambda: caller.recommend("of-genre", filterValues={"GENRE": '"' + "x" * 1000})) == INVALID
    assert error_of(lambda: caller.recommend("cheaper")) == INVALID
    assert error_of(lambda: caller.recommend("actions")) == INVALID


def test_items_and_users_that_are_put_are_filtered_by_at_once(caller: Caller, user: str) -> None:
    def put(price: float) -> None:
        caller.events.put_items(
            datasetArn=ITEMS_DATASET_ARN,
            items=[{"itemId": user, "properties": json.dumps({"genre": "fresh", "price": price})}],
        )

    put(5)
    assert caller.recommend("of-genre", filterValues={"GENRE": '"fresh"'}) == [user]
    assert user in caller.recommend("cheap")
    put(50)
    assert user not in caller.recommend("cheap")
    for member, count in ((1, 0), (0, 4)):
        caller.events.put_users(
            datasetArn=USERS_DATASET_ARN,
            users=[{"userId": user, "properties": json.dumps({"member": member})}],
        )
        assert len(set(caller.recommend("for-members", userId=user)) & ids(genre="drama")) == count


def test_a_filter_that_does_not_parse_is_named_at_the_start(tmp_path: Path) -> None:
    write_folder(tmp_path)
    write_filters(tmp_path, {"wrong": "INCLUDE ItemID WHERE Items.GENRE = drama"})
    said = (
        r"filters\.json: the filter wrong is wrong at column 36: expected a text in quotes .* found 'drama'"
    )
    with (
        pytest.raises(EngineProcessError, match=said),
        running_engine(data=tmp_path, database=tmp_path / "events.db"),
    ):
        pass
