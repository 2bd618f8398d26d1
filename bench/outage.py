"""The local stack while one campaign fails in each way: who gets a list, how fast, and how soon it is over.

With a fallback the campaign ``local`` fails and ``popular`` stands in. Without one ``popular`` itself is
asked, for which nothing stands in.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from bench.gateway import raise_throttle
from bench.measure import Row, once
from chalicelib.config import SETTINGS
from local.stack import Running, running_stack

RESPONSES = 1000
PAGES = 20
LISTS_OF_A_PAGE = 10
POLL_SECONDS = 0.05
FAULTS: Mapping[str, Mapping[str, Any]] = {
    "throttling": {"throttleRate": 1},
    "500": {"errorRate": 1, "errorStatus": 500},
    "503": {"errorRate": 1},
    "hang": {"latencyMs": 60_000},
    "half a response": {"stallRate": 1},
    "reset": {"resetRate": 1},
    "access denied": {"accessDenied": True},
    "campaign missing": {"campaignMissing": True},
}
"""The ways in which Personalize fails, as settings of the engine. The tests try each of them too."""

_open = build_opener(ProxyHandler({})).open
_visitors = (f"visitor-{number}" for number in count())


@dataclass(frozen=True)
class Response:
    """What a client saw, and after how many milliseconds."""

    status: int
    body: Any
    milliseconds: float


class Api:
    """The API of the stack. Each request is of a visitor who has asked nothing before."""

    def __init__(self, running: Running) -> None:
        self._url = f"{running.stack.apiUrl}/recommendations"
        self._headers = {"x-api-key": running.stack.apiKey, "content-type": "application/json"}

    def one_list(self, campaign: str | None) -> Response:
        named = {} if campaign is None else {"campaign": campaign}
        return self._post({"userId": next(_visitors), "numResults": 5, **named})

    def page(self) -> Response:
        return self._post(
            {"requests": [{"userId": next(_visitors), "numResults": 5} for _ in range(LISTS_OF_A_PAGE)]}
        )

    def _post(self, body: Mapping[str, Any]) -> Response:
        started = time.perf_counter()
        try:
            request = Request(self._url, json.dumps(body).encode(), self._headers)  # noqa: S310
            with _open(request, timeout=30) as response:
                status, content = response.status, json.load(response)
        except HTTPError as error:
            with error:
                status, content = error.code, json.load(error)
        return Response(status, content, 1000 * (time.perf_counter() - started))


def rows() -> Iterator[Row]:
    """Yield for each fault the rows with a fallback and without one."""
    with TemporaryDirectory() as folder, running_stack(Path(folder)) as running:
        raise_throttle(running.stack.awsEndpointUrl)
        api = Api(running)
        for fault, settings in FAULTS.items():
            yield from _with_fallback(running, api, fault, settings)
            yield from _without_fallback(running, api, fault, settings)


def _with_fallback(running: Running, api: Api, fault: str, settings: Mapping[str, Any]) -> Iterator[Row]:
    what = f"outage, {fault}, with a fallback"
    _until_healthy(api, None)
    running.engine.set_faults(campaigns=["local"], **settings)
    found = [api.one_list(None) for _ in range(RESPONSES)]
    running.engine.set_faults()
    with_items = sum(each.status == 200 and len(each.body["itemList"]) == 5 for each in found)
    yield Row(f"{what}: responses with items", "", once(with_items), "all", once(RESPONSES), "1")
    yield _p99(what, found)
    yield Row(f"{what}: back to normal after", "s", once(_until_healthy(api, None)))
    running.engine.set_faults(campaigns=["local"], **settings)
    pages = [api.page() for _ in range(PAGES)]
    running.engine.set_faults()
    lists = sum(len(each.get("itemList", ())) == 5 for page in pages for each in page.body["results"])
    yield Row(
        f"{what}: lists of pages with items", "", once(lists), "all", once(PAGES * LISTS_OF_A_PAGE), "1"
    )
    yield _slowest(f"{what}: page of ten", pages)


def _without_fallback(running: Running, api: Api, fault: str, settings: Mapping[str, Any]) -> Iterator[Row]:
    what = f"outage, {fault}, without"
    _until_healthy(api, "popular")
    running.engine.set_faults(campaigns=["popular"], **settings)
    found = [api.one_list("popular") for _ in range(RESPONSES)]
    running.engine.set_faults()
    statuses = "/".join(str(status) for status in sorted({each.status for each in found}))
    refused = sum(each.status != 200 for each in found)
    yield Row(f"{what}: responses with {statuses}", "", once(refused), "all", once(RESPONSES), "1")
    yield _p99(what, found)
    yield Row(f"{what}: back to normal after", "s", once(_until_healthy(api, "popular")))


def _until_healthy(api: Api, campaign: str | None) -> float:
    """Return the seconds until the campaign itself responds."""
    started = time.perf_counter()
    while api.one_list(campaign).body.get("source") != "personalize":
        time.sleep(POLL_SECONDS)
    return time.perf_counter() - started


def _p99(what: str, responses: list[Response]) -> Row:
    p99 = quantiles([each.milliseconds for each in responses], n=100, method="inclusive")[-1]
    return _against_budget(f"{what}: p99", p99)


def _slowest(what: str, responses: list[Response]) -> Row:
    return _against_budget(f"{what}: the slowest", max(each.milliseconds for each in responses))


def _against_budget(what: str, milliseconds: float) -> Row:
    [budget] = [setting.default for setting in SETTINGS if setting.name == "PERSONALIZE_BUDGET_MS"]
    return Row(what, "ms", once(milliseconds), "the budget", once(float(budget or 0)), "≤ 1.2")
