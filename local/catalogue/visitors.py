"""``make visitors``: readers who use what ``make run`` started, so that there is something in the archive.

    python -m local.catalogue.visitors --visitors 200

Each visitor asks for a list, sees it, looks at the books that fit the visitor's tastes, reads some of them,
and may sign in on the way. Events are sent over the API, one request for each visitor. The same number of
visitors makes the same choices again, as far as the lists are the same.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from local.catalogue import FOLDER
from local.catalogue.generate import Reader, make_readers, read_books
from ops.errors import OpsError
from ops.local_stage import Coordinates, read_coordinates
from ops.packaging.bundle import ROOT

SEED = 1929
LIST_LENGTH = 10
SHARE_SIGNED_IN, SHARE_SIGNING_IN = 0.4, 0.3
SHARE_LOOKED_AT, SHARE_READ, SHARE_RATED = 0.5, 0.5, 0.4
"""Of the books of a list that fit, of those looked at, and of those read."""
SHARE_SENT_TWICE = 0.05
"""Of the requests: a client that gets no response sends again."""
BETWEEN_EVENTS = timedelta(seconds=7)
SECONDS_FOR_A_RESPONSE = 30
TOO_MANY_REQUESTS = 429
"""The usage plan of the key takes 50 requests a second."""
_open = build_opener(ProxyHandler({})).open


@dataclass(frozen=True)
class Visitor:
    """A visitor of the shop: a reader, the session, and whether the user is known, late or never."""

    reader: Reader
    session_id: str
    is_signed_in: bool
    signs_in: bool

    @property
    def names(self) -> dict[str, str]:
        """The ids for a request of recommendations."""
        return {"userId": self.reader.user_id} if self.is_signed_in else {"sessionId": self.session_id}


def visit(
    visitor: Visitor, shown: Mapping[str, Any], genres: Mapping[str, Sequence[str]], random: Random
) -> Iterator[dict[str, Any]]:
    """Yield the events of a visitor who sees a list, a response of /recommendations, without their times.

    Who signs in does so after the first book.
    """
    items = [item["itemId"] for item in shown["itemList"]]
    about = {"RecommendationId": shown["recommendationId"]} if "recommendationId" in shown else {}
    user = {"UserId": visitor.reader.user_id} if visitor.is_signed_in else {}

    def event(kind: str, **more: Any) -> dict[str, Any]:
        return {"SessionId": visitor.session_id, "EventType": kind, "Event": {}} | user | about | more

    yield event("list", Impression=items)
    for item in items:
        fits = set(genres.get(item, ())) & set(visitor.reader.tastes)
        if not fits or random.random() >= SHARE_LOOKED_AT:
            continue
        yield event("view", Event={"itemId": item})
        if visitor.signs_in:
            user = {"UserId": visitor.reader.user_id}
        if random.random() < SHARE_READ:
            yield event("read", Event={"itemId": item})
            if random.random() < SHARE_RATED:
                yield event("rate", Event={"itemId": item, "eventValue": 3 + round(2 * random.random())})


def timed(events: Sequence[dict[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """Return the events of a visit that ends now, each with its time."""
    return [
        event | {"SentAt": (now - (len(events) - number) * BETWEEN_EVENTS).isoformat(timespec="milliseconds")}
        for number, event in enumerate(events)
    ]


def send(local: Coordinates, count: int) -> int:
    """Let visitors use a local stack, one after another. Return how many events they had."""
    random = Random(SEED)  # noqa: S311 - not for security
    books = read_books(FOLDER / "items.csv", random.random)
    genres = {book.item_id: book.genres for book in books}
    readers = make_readers(sorted({book.genres[0] for book in books}), random.random)
    sent = 0
    for number in range(count):
        visitor = _visitor(readers[number % len(readers)], number, random)
        request = {**visitor.names, "numResults": LIST_LENGTH}
        events = [*visit(visitor, _post(local, "recommendations", request), genres, random)]
        body = {"Events": timed(events, datetime.now(timezone.utc))}
        for _ in range(2 if random.random() < SHARE_SENT_TWICE else 1):
            _post(local, "history", body)
        sent += len(events)
    return sent


def main(arguments: list[str] | None = None) -> int:
    """Send the visitors and print what they did."""
    parser = argparse.ArgumentParser(prog="python -m local.catalogue.visitors", description=__doc__)
    parser.add_argument("--visitors", type=int, default=200)
    count = parser.parse_args(arguments).visitors
    try:
        sent = send(read_coordinates(ROOT), count)
    except (OpsError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f"{count:,} visitors sent {sent:,} events. Ask the archive: make query STAGE=local NAME=events-by-day"
    )
    return 0


def _visitor(reader: Reader, number: int, random: Random) -> Visitor:
    chance = random.random()
    signed_in = chance < SHARE_SIGNED_IN
    return Visitor(
        reader, f"visit-{number}", signed_in, not signed_in and chance < SHARE_SIGNED_IN + SHARE_SIGNING_IN
    )


def _post(local: Coordinates, route: str, body: Mapping[str, Any]) -> Any:
    headers = {"content-type": "application/json", "x-api-key": local.api_key}
    request = Request(f"{local.api_url}/{route}", json.dumps(body).encode(), headers)  # noqa: S310
    while True:
        try:
            with _open(request, timeout=SECONDS_FOR_A_RESPONSE) as response:
                return json.load(response)
        except HTTPError as error:
            with error:
                if error.code != TOO_MANY_REQUESTS:
                    raise
                time.sleep(float(error.headers.get("Retry-After", "1")))


if __name__ == "__main__":
    sys.exit(main())
