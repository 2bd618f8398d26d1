"""The time from one event to other recommendations for its user, of the API or of the engine."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import boto3

from local.personalize import CAMPAIGN_ARN, REGION, TRACKING_ID

TIMEOUT_SECONDS = 30

_open = build_opener(ProxyHandler({})).open


@dataclass(frozen=True)
class User:
    """A user of a service. ``send`` sends an event with an item, ``recommend`` returns recommended items."""

    send: Callable[[str], None]
    recommend: Callable[[], list[str]]

    def seconds_to_change(self) -> float:
        """Return the seconds from an event with the first recommended item to a list without this item.

        The engine recommends no item that the user has had, and hardly anything else removes the first item
        of a list. Recommendations are requested without a pause, so the result is late by one call at most.
        """
        item = self.recommend()[0]
        started = time.perf_counter()
        self.send(item)
        while item in self.recommend():
            if time.perf_counter() - started > TIMEOUT_SECONDS:
                raise TimeoutError(f"an event did not change the list within {TIMEOUT_SECONDS} s")
        return time.perf_counter() - started


class ApiUsers:
    """Users of the API. ``stack`` has its address and key as .local/stack.json does."""

    def __init__(self, stack: Mapping[str, str]) -> None:
        self._url = stack["apiUrl"]
        self._headers = {"x-api-key": stack["apiKey"], "content-type": "application/json"}

    def user(self, user_id: str) -> User:
        """Return the user with this id."""
        return User(lambda item: self.send(user_id, item), lambda: self.recommend(user_id))

    def send(self, user_id: str, item: str) -> None:
        """Send an event of the user with the item."""
        event = {"UserId": user_id, "SessionId": user_id, "EventType": "watch", "Event": {"itemId": item}}
        self._post("history", event)

    def recommend(self, user_id: str) -> list[str]:
        """Return the items that are recommended to the user."""
        return [item["itemId"] for item in self._post("recommendations", {"userId": user_id})["itemList"]]

    def _post(self, route: str, body: Mapping[str, Any]) -> Any:
        request = Request(f"{self._url}/{route}", json.dumps(body).encode(), self._headers)  # noqa: S310
        with _open(request, timeout=TIMEOUT_SECONDS) as response:
            return json.load(response)


class EngineUsers:
    """Users of the engine itself, which a boto3 client calls as any program does."""

    def __init__(self, engine_url: str) -> None:
        session: Any = boto3.Session("test", "test", region_name=REGION)
        self._events = session.client("personalize-events", endpoint_url=engine_url)
        self._runtime = session.client("personalize-runtime", endpoint_url=engine_url)

    def user(self, user_id: str) -> User:
        """Return the user with this id."""
        return User(lambda item: self.send(user_id, item), lambda: self.recommend(user_id))

    def send(self, user_id: str, item: str) -> None:
        """Send an event of the user with the item."""
        event = {
            "eventId": str(uuid.uuid4()),
            "eventType": "watch",
            "itemId": item,
            "sentAt": int(time.time()),
        }
        self._events.put_events(trackingId=TRACKING_ID, userId=user_id, sessionId=user_id, eventList=[event])

    def recommend(self, user_id: str) -> list[str]:
        """Return the items that are recommended to the user."""
        response = self._runtime.get_recommendations(campaignArn=CAMPAIGN_ARN, userId=user_id)
        return [item["itemId"] for item in response["itemList"]]
