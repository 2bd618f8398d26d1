"""How long one event takes until it shows in its user's recommendations, whoever is told of it and asked."""

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
class Reader:
    """One user of some service: ``tell`` sends an event with an item, ``ask`` answers the items of a list."""

    tell: Callable[[str], None]
    ask: Callable[[], list[str]]

    def seconds_to_change(self) -> float:
        """From sending an event until the list is another one: without its first item, which the event has.

        Nobody is recommended what they already had, and hardly anything else takes the first off a list. The
        list is asked for without a pause, so this is late by one call at most.
        """
        item = self.ask()[0]
        started = time.perf_counter()
        self.tell(item)
        while item in self.ask():
            if time.perf_counter() - started > TIMEOUT_SECONDS:
                raise TimeoutError(f"an event did not show within {TIMEOUT_SECONDS} s")
        return time.perf_counter() - started


class ApiReaders:
    """Users of the API, of which ``stack`` tells address and key as .local/stack.json does."""

    def __init__(self, stack: Mapping[str, str]) -> None:
        self._url = stack["apiUrl"]
        self._headers = {"x-api-key": stack["apiKey"], "content-type": "application/json"}

    def reader(self, user: str) -> Reader:
        return Reader(lambda item: self.tell(user, item), lambda: self.ask(user))

    def tell(self, user: str, item: str) -> None:
        event = {"UserId": user, "SessionId": user, "EventType": "watch", "Event": {"itemId": item}}
        self._post("history", event)

    def ask(self, user: str) -> list[str]:
        return [item["itemId"] for item in self._post("recommendations", {"userId": user})["itemList"]]

    def _post(self, route: str, body: Mapping[str, Any]) -> Any:
        request = Request(f"{self._url}/{route}", json.dumps(body).encode(), self._headers)  # noqa: S310
        with _open(request, timeout=TIMEOUT_SECONDS) as answer:
            return json.load(answer)


class EngineReaders:
    """Users of the engine itself, by boto3 as any program would call it."""

    def __init__(self, engine_url: str) -> None:
        session: Any = boto3.Session("test", "test", region_name=REGION)
        self._events = session.client("personalize-events", endpoint_url=engine_url)
        self._runtime = session.client("personalize-runtime", endpoint_url=engine_url)

    def reader(self, user: str) -> Reader:
        return Reader(lambda item: self.tell(user, item), lambda: self.ask(user))

    def tell(self, user: str, item: str) -> None:
        event = {
            "eventId": str(uuid.uuid4()),
            "eventType": "watch",
            "itemId": item,
            "sentAt": int(time.time()),
        }
        self._events.put_events(trackingId=TRACKING_ID, userId=user, sessionId=user, eventList=[event])

    def ask(self, user: str) -> list[str]:
        answer = self._runtime.get_recommendations(campaignArn=CAMPAIGN_ARN, userId=user)
        return [item["itemId"] for item in answer["itemList"]]
