"""The points of the path of a request: the key, the browser's preflight, a list, an event, a batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chalicelib import config
from ops.diagnosis import Finding, bad, good
from ops.verify.api_client import HttpResponse
from ops.verify.ledger import Kind
from ops.verify.play import Play
from ops.verify.points import Answer, Point

_STATUSES = "docs/api.md#statuses"
_ALARMS = "docs/operations.md#alarms"
_NO_LIST = "docs/operations.md#when-personalize-gives-no-list"
_KEYS = "docs/operations.md#verify-a-deployment"


def key_missing(play: Play) -> Answer:
    """A request without a key has to be refused."""
    return _refused(play.api.send("POST", "recommendations", b"{}"), "without x-api-key")


def key_wrong(play: Play) -> Answer:
    """A request with a key that nobody has has to be refused."""
    headers = {"x-api-key": f"{play.mark}-is-no-key"}
    return _refused(play.api.send("POST", "recommendations", b"{}", headers), "with a wrong x-api-key")


def _refused(response: HttpResponse, how: str) -> Answer:
    call = f"POST /recommendations {how}"
    if response.status == 403:
        return Answer(good(f"A request {how} is refused."), call, str(response))
    return Answer(
        bad(
            f"A request {how} is answered with {response.status} instead of 403: everybody can use the API.",
            "Deploy again. Every route has to require the key (api_key_required in app.py).",
        ),
        call,
        str(response),
    )


def key_right(play: Play) -> Answer:
    """The key of the deployment opens the API."""
    response = play.api.send("GET", "health", headers={"x-api-key": play.api.key})
    call = "GET /health with the key of the output ApiKeyId"
    if response.status == 200:
        return Answer(good("The key opens the API, and the function responds."), call, str(response))
    if response.status == 403:
        finding = bad(
            "The key of the deployment is refused: it is disabled, or in no usage plan of this API.",
            "See what doctor says of the key, then deploy again.",
        )
    else:
        finding = bad(
            f"GET /health is answered with {response.status}.", "Look at the log of the API function."
        )
    return Answer(finding, call, str(response))


def preflight(play: Play) -> Answer:
    """A browser's preflight and the gateway's own errors name the origin that the function names."""
    wanted = config.read("ALLOWED_ORIGIN", play.variables).fixed
    asked = {
        "origin": "https://verify.example" if wanted == "*" else wanted,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,x-api-key",
    }
    response = play.api.send("OPTIONS", "recommendations", headers=asked)
    refused = play.api.send("POST", "recommendations", b"{}", asked)
    call = "OPTIONS /recommendations, then POST without a key"
    origins = [each.headers.get("access-control-allow-origin", "none") for each in (response, refused)]
    allowed = response.headers.get("access-control-allow-headers", "").lower()
    came = f"{response.status}, Access-Control-Allow-Origin {origins[0]}; {refused.status}, {origins[1]}"
    if response.status == 200 and origins == [wanted, wanted] and "x-api-key" in allowed:
        return Answer(good(f"Pages of the origin {wanted} may call the API."), call, came)
    return Answer(
        bad(
            f"ALLOWED_ORIGIN of the functions is {wanted}. API Gateway says another one to browsers: its "
            "stage has an older deployment.",
            "Deploy again. If it stays so, create a deployment of the API's stage (aws apigateway "
            "create-deployment).",
        ),
        call,
        came,
    )


def recommendation(play: Play) -> Answer:
    """Personalize itself gives the test user a list, at once or after a cold start."""
    body = {"userId": play.mark, "numResults": 5}
    response = play.poll(lambda: _list(play, body), play.deadlines.list, 0.5)
    response = response or play.api.post("recommendations", body)
    found = response.body
    items = found.get("itemList") or []
    call, came = (
        "POST /recommendations",
        f"{response}, {len(items)} items, source {found.get('source', 'none')}",
    )
    if response.status != 200 or not items:
        return Answer(
            bad("The API gives no list.", f"{found.get('Message', 'Look at the log of the API function.')}"),
            call,
            came,
        )
    known = replace(play.found, item=items[0]["itemId"], source=found["source"])
    if found["source"] == "personalize":
        return Answer(good("Personalize recommends items to the test user."), call, came, known)
    return Answer(
        bad(
            "Personalize did not answer in time. Something stood in for it.",
            "The log line Recommendations of the API function has the reason.",
        ),
        call,
        came,
        known,
    )


def _list(play: Play, body: Any) -> HttpResponse | None:
    response = play.api.post("recommendations", body)
    is_list = response.status == 200 and response.body.get("source") == "personalize"
    return response if is_list and response.body.get("itemList") else None


def event(play: Play) -> Answer:
    """One event is accepted. From here on the test user is in the stream, the archive and Personalize."""
    play.note(Kind.TEST_USER, play.mark)
    at, body = play.now(), play.event("1")
    response = play.api.post("history", body)
    call = "POST /history with one event"
    if response.status == 202 and response.body.get("EventId") == body["EventId"]:
        known = replace(play.found, **play.found.sent((body["EventId"],), at))
        return Answer(good("An event is accepted: the stream has it."), call, str(response), known)
    return Answer(_not_accepted(response), call, str(response))


def batch(play: Play) -> Answer:
    """A batch is accepted, each event on its own."""
    at, events = play.now(), [play.event("2"), play.event("3")]
    response = play.api.post("history", {"Events": events})
    call = "POST /history with a batch of 2 events"
    accepted = response.body.get("Accepted")
    came = f"{response}, accepted {accepted}"
    if response.status == 202 and accepted == len(events):
        ids = tuple(str(each["EventId"]) for each in events)
        known = replace(play.found, **play.found.sent(ids, at))
        return Answer(good("A batch is accepted whole."), call, came, known)
    return Answer(_not_accepted(response), call, came)


def _not_accepted(response: HttpResponse) -> Finding:
    message = response.body.get("Message", "")
    return bad(
        f"The API does not accept events of the test user ({response.status}).",
        f"{message or 'Look at the log of the API function.'}",
    )


POINTS = (
    Point("key missing", "Is a request without a key refused?", _STATUSES, key_missing),
    Point("key wrong", "Is a request with a wrong key refused?", _STATUSES, key_wrong),
    Point("key right", "Does the key of the deployment open the API?", _KEYS, key_right),
    Point(
        "preflight",
        "May pages of ALLOWED_ORIGIN call the API, also when it was changed after the first deployment?",
        "docs/api.md#browsers",
        preflight,
    ),
    Point("recommendation", "Does Personalize give a list?", _NO_LIST, recommendation, ("key right",)),
    Point("event", "Is an event accepted?", _ALARMS, event, ("recommendation",)),
    Point("batch", "Is a batch accepted?", _ALARMS, batch, ("event",)),
)
