"""The shipped catalogue: its form, its generation, and that three events change the recommendations."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping

import pytest

from local.catalogue import FOLDER
from local.catalogue.generate import FIRST_DAY, generate
from local.personalize.imports import ImportFolder, read_folder
from local.personalize.interactions import Interactions
from local.personalize.model import fit
from local.personalize.recommender import Recommender

GENRES = (
    "adventure",
    "children",
    "detective",
    "drama",
    "gothic",
    "history",
    "humour",
    "philosophy",
    "poetry",
    "russian",
    "science-fiction",
    "society",
)
AFTER_THE_LAST_INTERACTION = 1_900_000_000


@pytest.fixture(scope="module")
def catalogue() -> ImportFolder:
    return read_folder(FOLDER)


@pytest.fixture(scope="module")
def genres(catalogue: ImportFolder) -> Mapping[str, tuple[str, ...]]:
    return {item_id: tuple(item["GENRES"].split("|")) for item_id, item in catalogue.items.items()}


def books_of(genre: str, genres: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [item_id for item_id, of_item in genres.items() if of_item[0] == genre]


def test_every_book_has_a_readable_id_and_all_its_facts(catalogue: ImportFolder) -> None:
    for item_id, facts in catalogue.items.items():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", item_id)
        assert set(facts) == {"TITLE", "AUTHOR", "YEAR", "GENRES"}, item_id
        assert 1500 < int(facts["YEAR"]) < 1929, item_id


def test_no_book_is_listed_twice(catalogue: ImportFolder) -> None:
    books = Counter((facts["TITLE"].casefold(), facts["AUTHOR"]) for facts in catalogue.items.values())
    assert books.most_common(1)[0][1] == 1


def test_every_taste_has_at_least_fifteen_books(genres: Mapping[str, tuple[str, ...]]) -> None:
    assert {genre for of_item in genres.values() for genre in of_item} == set(GENRES)
    for genre in GENRES:
        assert len(books_of(genre, genres)) >= 15, genre


def test_generating_again_gives_the_same_bytes() -> None:
    for name, content in generate(FOLDER / "items.csv").items():
        assert (FOLDER / name).read_bytes() == content.encode(), (
            f"{name}: run the generator and commit the result"
        )


def test_personalize_can_import_the_interactions(catalogue: ImportFolder) -> None:
    with (FOLDER / "interactions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 1000  # the least that Personalize trains on
    of_user = Counter(row["USER_ID"] for row in rows)
    assert sum(1 for count in of_user.values() if count >= 2) >= 25
    assert {row["EVENT_TYPE"] for row in rows} == {"view", "read", "rate"}
    assert {row["ITEM_ID"] for row in rows} == set(catalogue.items)
    assert set(of_user) == set(catalogue.users)
    timestamps = [int(row["TIMESTAMP"]) for row in rows]
    assert timestamps == sorted(timestamps)
    assert FIRST_DAY <= timestamps[0] < timestamps[-1] < AFTER_THE_LAST_INTERACTION


def test_the_catalogue_is_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.glob("*.csv")) < 500_000


def triples(genre: str, genres: Mapping[str, tuple[str, ...]]) -> Iterator[list[str]]:
    books = books_of(genre, genres)
    for start in range(0, len(books) - 2, 3):
        yield books[start : start + 3]


@pytest.mark.parametrize("genre", GENRES)
def test_three_events_of_one_taste_change_the_list_to_that_taste(
    genre: str, catalogue: ImportFolder, genres: Mapping[str, tuple[str, ...]]
) -> None:
    interactions = Interactions()
    for item_id in catalogue.items:
        interactions.add_item(item_id)
    interactions.add_history(catalogue.interactions)
    recommender = Recommender(interactions)
    recommender.model = fit(interactions.snapshot())
    before = {scored.item_id for scored in recommender.recommend("newcomer-0", None, 10)}

    for number, books in enumerate(triples(genre, genres)):
        newcomer = f"newcomer-{number}"
        for position, book in enumerate(books):
            interactions.add_event(f"s{number}", newcomer, book, AFTER_THE_LAST_INTERACTION + position)
        after = [scored.item_id for scored in recommender.recommend(newcomer, None, 10)]
        assert sum(genre in genres[item_id] for item_id in after) >= 6, books
        assert len(before & set(after)) <= 5, books
        assert not set(books) & set(after)
