"""Generator of interactions.csv and users.csv, from items.csv and a model of readers' tastes.

    python -m local.catalogue.generate

The same items give the same files, byte for byte. The model:

- A reader likes one to three genres, each of them twice as much as the next one. Every genre is the favourite
  of equally many readers.
- A book's appeal within its genre falls with its rank (Zipf's law, damped). All readers share the ranks.
- One choice in ten does not depend on the reader's taste, only on the appeal of the books.
- A reader chooses 6 to 22 books, one every few days. The reader views each of them and reads half of them a
  few days later. Some of the books that were read are rated. The event types are view, read and rate.
"""

from __future__ import annotations

import csv
import io
from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import TypeVar

from local.catalogue import FOLDER

SEED = 1928
READERS = 252
FIRST_DAY = 1_735_689_600  # in seconds: 2025-01-01T00:00:00Z
FIRST_VIEW_WITHIN_DAYS = 240
DAY_SECONDS = 86_400

NUMBER_OF_TASTES = (0.4, 0.4, 0.2)
TASTE_WEIGHTS = (4.0, 2.0, 1.0)
SHARE_WITHOUT_TASTE = 0.1
ZIPF_EXPONENT = 0.7
MIN_BOOKS, MAX_BOOKS = 6, 22
SHARE_READ, SHARE_RATED = 0.5, 0.4

# Python promises only for Random.random() that every version draws the same numbers.
Draw = Callable[[], float]
Choice = TypeVar("Choice")


@dataclass(frozen=True)
class Book:
    """A book, its genres with the main one first, and its appeal."""

    item_id: str
    genres: tuple[str, ...]
    appeal: float


@dataclass(frozen=True)
class Reader:
    """A reader. The genre that the reader likes most is the first of ``tastes``."""

    user_id: str
    tastes: tuple[str, ...]


@dataclass(frozen=True, order=True)
class Interaction:
    """One row of interactions.csv. ``timestamp`` is in seconds."""

    timestamp: int
    user_id: str
    item_id: str
    event_type: str


def read_books(items: Path, draw: Draw) -> list[Book]:
    """Return the books with their appeal."""
    with items.open(encoding="utf-8", newline="") as file:
        rows = [(row["ITEM_ID"], tuple(row["GENRES"].split("|"))) for row in csv.DictReader(file)]
    ranks = {item_id: rank for rank, (item_id, _) in enumerate(sorted(rows, key=lambda _: draw()))}
    # A rank among all books is about twelve times the rank within a genre. The damping (+ 2) keeps the appeal
    # of the last ranks well above zero. Rounded: the last digit of a power may differ between machines.
    return [
        Book(item_id, genres, round((ranks[item_id] / 12 + 2) ** -ZIPF_EXPONENT, 6))
        for item_id, genres in rows
    ]


def make_readers(genres: Sequence[str], draw: Draw) -> list[Reader]:
    """Return the readers. Their favourite genres take turns."""
    readers = []
    for number in range(READERS):
        tastes = [genres[number % len(genres)]]
        for _ in range(_pick(range(len(NUMBER_OF_TASTES)), NUMBER_OF_TASTES, draw)):
            others = [genre for genre in genres if genre not in tastes]
            tastes.append(_pick(others, [1.0] * len(others), draw))
        readers.append(Reader(f"reader-{number + 1:03}", tuple(tastes)))
    return readers


def make_interactions(readers: Sequence[Reader], books: Sequence[Book], draw: Draw) -> list[Interaction]:
    """Return the interactions of all readers, in order of time."""
    return sorted(interaction for reader in readers for interaction in _interactions_of(reader, books, draw))


def _interactions_of(reader: Reader, books: Sequence[Book], draw: Draw) -> Iterator[Interaction]:
    at = FIRST_DAY + int(draw() * FIRST_VIEW_WITHIN_DAYS * DAY_SECONDS)
    chosen: set[str] = set()
    number_of_books = MIN_BOOKS + int(draw() ** 2 * (MAX_BOOKS - MIN_BOOKS + 1))
    while len(chosen) < number_of_books:
        at += int((0.2 + 5 * draw()) * DAY_SECONDS)
        book = _choose(reader, books, draw)
        if book.item_id in chosen:
            continue
        chosen.add(book.item_id)
        yield Interaction(at, reader.user_id, book.item_id, "view")
        if draw() < SHARE_READ:
            finished = at + int((0.5 + 4 * draw()) * DAY_SECONDS)
            yield Interaction(finished, reader.user_id, book.item_id, "read")
            if draw() < SHARE_RATED:
                yield Interaction(finished + 60 + int(600 * draw()), reader.user_id, book.item_id, "rate")


def _choose(reader: Reader, books: Sequence[Book], draw: Draw) -> Book:
    if draw() >= SHARE_WITHOUT_TASTE:
        taste = _pick(reader.tastes, TASTE_WEIGHTS[: len(reader.tastes)], draw)
        books = [book for book in books if taste in book.genres]
        # A book whose main genre is another one is half as likely to be chosen.
        weights = [book.appeal if book.genres[0] == taste else book.appeal / 2 for book in books]
    else:
        weights = [book.appeal for book in books]
    return _pick(books, weights, draw)


def _pick(choices: Sequence[Choice], weights: Sequence[float], draw: Draw) -> Choice:
    sums = list(accumulate(weights))
    return choices[min(bisect(sums, draw() * sums[-1]), len(choices) - 1)]


def as_csv(header: Sequence[str], rows: Iterator[Sequence[object]]) -> str:
    """Return the text of a CSV file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def generate(items: Path) -> dict[str, str]:
    """Return the content of the generated files by their names."""
    draw = Random(SEED).random  # noqa: S311 - it must be repeatable
    books = read_books(items, draw)
    readers = make_readers(sorted({book.genres[0] for book in books}), draw)
    interactions = make_interactions(readers, books, draw)
    return {
        "interactions.csv": as_csv(
            ("USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE"),
            ((made.user_id, made.item_id, made.timestamp, made.event_type) for made in interactions),
        ),
        "users.csv": as_csv(
            ("USER_ID", "FAVOURITE_GENRES"), ((reader.user_id, "|".join(reader.tastes)) for reader in readers)
        ),
    }


if __name__ == "__main__":
    for name, content in generate(FOLDER / "items.csv").items():
        (FOLDER / name).write_text(content, encoding="utf-8", newline="")
