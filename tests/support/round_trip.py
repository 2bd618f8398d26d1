"""Events of the taste model of local/catalogue, sent as clients send them, and what an engine recommends."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from datetime import datetime, timezone
from random import Random

from local import catalogue
from local.catalogue.generate import make_interactions, make_readers, read_books
from local.personalize import CAMPAIGN_ARN
from tests.support import calls
from tests.support.archive import archived_lines

SEED = 7
EVENTS_PER_REQUEST = 500
EVENTS_PER_SESSION = 4


def catalogue_without_interactions(folder):
    """Make a data folder with the shipped items, of which nobody has had one."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(catalogue.FOLDER / "items.csv", folder / "items.csv")
    (folder / "interactions.csv").write_text("USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE\n")
    return folder


def taste_events(count):
    """Return requests of /history, oldest first: some signed in late, some sent twice, some about actions."""
    random = Random(SEED)
    books = read_books(catalogue.FOLDER / "items.csv", random.random)
    genres = sorted({book.genres[0] for book in books})
    readers = [
        replace(reader, user_id=f"{reader.user_id}-{edition}")
        for edition in range(1 + count // 4000)
        for reader in make_readers(genres, random.random)
    ]
    return [*_requests(make_interactions(readers, books, random.random)[:count], random)]


def _requests(interactions, random):
    seen = {}
    for number, each in enumerate(interactions):
        position = seen[each.user_id] = seen.get(each.user_id, -1) + 1
        request = {
            "SessionId": f"{each.user_id}/{position // EVENTS_PER_SESSION}",
            "EventType": each.event_type,
            "EventId": f"event-{number}",
            "SentAt": each.timestamp + 0.25
            if number % 2
            else datetime.fromtimestamp(each.timestamp, timezone.utc).isoformat(),
            "Event": {"itemId": each.item_id, "page": "home"},
        }
        # Every third reader signs in with the second event of a session.
        if position % EVENTS_PER_SESSION or not each.user_id.endswith(("0", "3", "6", "9"), 0, -2):
            request["UserId"] = each.user_id
        yield request
        if number % 50 == 0:
            yield request
        if number % 70 == 0:
            yield request | {
                "EventType": "Taken",
                "EventId": f"action-{number}",
                "UserId": "somebody-else",
                "Event": None,
                "Action": {"actionId": "newsletter"},
            }


def send(running, requests):
    """Send requests in batches, and wait until all are delivered and archived."""
    for start in range(0, len(requests), EVENTS_PER_REQUEST):
        batch = requests[start : start + EVENTS_PER_REQUEST]
        status, response, _ = calls.post(
            running.stack.apiUrl + "/history", {"Events": batch}, key=running.stack.apiKey
        )
        assert (status, response["Rejected"]) == (202, 0), response
    deadline = time.monotonic() + 120
    while not _has_arrived(running, requests):
        assert time.monotonic() < deadline, "not all events have arrived within 120 s"
        time.sleep(0.5)


def _has_arrived(running, requests):
    stats = running.engine.control("GET", "/_engine/stats")
    items = len({each["EventId"] for each in requests if each["Event"]})
    return (
        stats["eventsAccepted"] == items
        and stats["modelInteractions"] == stats["interactions"]
        and len(archived_lines(running)) == len(requests)
    )


def top_ten(client, users):
    """Return the ten best items of each user."""
    return {
        user: [
            item["itemId"]
            for item in client.get_recommendations(campaignArn=CAMPAIGN_ARN, userId=user, numResults=10)[
                "itemList"
            ]
        ]
        for user in users
    }
