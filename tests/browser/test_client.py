"""The browser client in real pages, against the local stack: no event is lost or trained on twice."""

import json
import re
import time
from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta, timezone

import pytest
from playwright.sync_api import Error

from tests.browser.conftest import ATTACKER, CLIENT
from tests.support.engine_events import received, received_of

POLICY = "default-src 'none'; script-src 'self'; connect-src *"
HTML = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
OPEN = """
async (options) => {
    const { createClient } = await import("/client.js");
    window.seen = { sent: [], refused: [], dropped: [], retries: [] };
    window.client = createClient({
        onSent: (events) => seen.sent.push(...events),
        onRefused: (event, reason) => seen.refused.push({ event, ...reason }),
        onDropped: (count) => seen.dropped.push(count),
        onRetry: (failure, seconds) => seen.retries.push({ ...failure, seconds }),
        ...options,
    });
}
"""
TRACK = "(events) => events.map((event) => client.track(event))"
SOON, LATER = 0.2, 600
"""Seconds until a batch is sent: within a test, and never by itself."""


def reads(count, start=0):
    """Return events of different items."""
    return [
        {"EventType": "read", "Event": {"itemId": f"item-{number}"}} for number in range(start, start + count)
    ]


class Tab:
    """A page with a client. ``after_load`` runs before it, at each load."""

    def __init__(self, page, address, options):
        self.page, self.address, self.options = page, address, options

    def open(self, **options):
        self.page.goto(self.address)
        self.page.evaluate(OPEN, self.options | options)
        return self

    def track(self, events):
        return [event["EventId"] for event in self.page.evaluate(TRACK, events)]

    def run(self, script, argument=None):
        return self.page.evaluate(script, argument)

    def seen(self, what):
        return self.page.evaluate("(what) => seen[what]", what)

    def stored(self):
        return self.page.evaluate("Object.keys(localStorage)")

    def events_stored(self):
        return [key for key in self.stored() if ".event." in key]


@pytest.fixture
def tab(stack, page, other_origin):
    """``tab(...)`` opens a client in a page, by default one that sends at once. Of the same context: tabs."""

    def start(*, other=None, host="127.0.0.1", load=True, **options):
        settings = {"url": stack.stack.apiUrl, "key": stack.stack.apiKey, "batchSeconds": SOON}
        made = Tab(other or page, f"http://{host}:{other_origin(HTML)}/", settings | options)
        return made.open() if load else made

    return start


@pytest.fixture
def requests(page):
    """Return the events of each request to /events of every page of the context."""
    made = []

    def note(request):
        if request.method == "POST" and request.url.endswith("/events"):
            made.append(json.loads(request.post_data)["Events"])

    page.context.on("request", note)
    return made


@pytest.fixture
def trained(stack, page, eventually):
    """``trained(ids)`` waits until the engine has each event, and returns them in order of the ids.

    Delivery keeps the order of arrival, so a repetition would be there before a later event.
    """
    after = stack.engine.control("GET", "/_engine/events")["last"]

    def found():
        return {event["eventId"]: event for event in received(stack, after=after)}

    def wait(ids, seconds=20):
        deadline = time.monotonic() + seconds
        while not set(ids) <= set(found()):
            missing = len(set(ids) - set(found()))
            assert time.monotonic() < deadline, f"{missing} of {len(ids)} events did not arrive"
            pump(page)
        counts = Counter(event["eventId"] for event in received(stack, after=after))
        assert all(counts[each] == 1 for each in ids)
        return [found()[each] for each in ids]

    return wait


def pump(page, milliseconds=50):
    """Wait while Playwright handles routes and events, which a plain sleep would hold up."""
    page.context.pages[-1].wait_for_timeout(milliseconds)


@pytest.fixture
def until(page):
    """``until(question)`` asks until the response is true, and returns it."""

    def poll(question, seconds=10):
        deadline = time.monotonic() + seconds
        while not (response := question()):
            assert time.monotonic() < deadline, "not so in time"
            pump(page)
        return response

    return poll


def test_the_client_is_one_small_module_without_dependencies():
    source = CLIENT.read_text("utf-8")
    assert len(source.encode()) < 8_000
    for word in ("import ", "import(", "require(", "eval(", "sendBeacon", "document.cookie", "globalThis"):
        assert word not in source


def test_an_event_is_returned_at_once_and_arrives_once(tab, trained, until):
    client = tab()
    [event] = client.run(TRACK, reads(1))
    assert abs(datetime.fromisoformat(event["SentAt"]).timestamp() - time.time()) < 60
    [got] = trained([event["EventId"]])
    assert (got["itemId"], got["sessionId"], got["userId"]) == ("item-0", event["SessionId"], None)
    until(lambda: client.seen("sent") == [event])
    assert client.events_stored() == []


def test_a_batch_is_sent_by_count_size_or_time(tab, until, requests):
    client = tab(batchEvents=5, batchBytes=3_000, batchSeconds=LATER)
    client.run("client.flush()")  # that of the start has ended
    client.track(reads(4))
    client.track(reads(1))
    until(lambda: [len(events) for events in requests] == [5])
    until(lambda: client.events_stored() == [])
    client.track([{"EventType": "read", "Event": {"itemId": "emma", "NOTE": "é" * 900}} for _ in range(2)])
    until(lambda: sum(len(events) for events in requests) == 7)
    client.open(batchEvents=5, batchSeconds=SOON)
    client.track(reads(1))
    until(lambda: sum(len(events) for events in requests) == 8)


@pytest.mark.parametrize("leave", ["reload", "close", "hide"])
def test_the_rest_is_sent_when_the_page_is_left(tab, trained, leave):
    client = tab(batchEvents=40, batchSeconds=LATER)
    ids = client.track(reads(60))
    if leave == "reload":
        client.page.reload()
    elif leave == "close":
        client.page.context.new_page()
        client.page.close(run_before_unload=True)
    else:
        client.run("""() => {
            Object.defineProperty(document, "hidden", {value: true});
            document.dispatchEvent(new Event("visibilitychange"));
        }""")
    trained(ids)


def test_what_does_not_fit_into_keepalive_requests_is_sent_by_the_next_page(tab, trained):
    client = tab(batchEvents=500, batchSeconds=LATER, batchBytes=10_000_000)
    large = {"EventType": "read", "Event": {"itemId": "emma", "NOTE": "n" * 900}}
    ids = client.track([large] * 120)
    client.page.reload()
    client.open()
    trained(ids)


def test_a_tab_that_crashes_in_the_middle_of_a_request_loses_nothing(tab, page, trained, until):
    held, crashed = [], []

    def hold(route):
        held.append(route)

    page.route("**/events", hold)
    page.on("crash", lambda _page: crashed.append(True))
    client = tab()
    ids = client.track(reads(3))
    until(lambda: held)
    other = page.context.new_page()
    with suppress(Error):
        page.goto("chrome://crash")
    until(lambda: crashed)
    other.add_init_script("const now = Date.now; Date.now = () => now() + 40_000;")  # the claims have ended
    tab(other=other)
    trained(ids)


@pytest.mark.parametrize("host", ["127.0.0.1", ATTACKER])
def test_two_tabs_send_each_event_once(tab, page, trained, requests, host):
    """The second host has neither locks nor randomUUID: it is not https, and not this machine."""
    tabs = [tab(host=host, batchEvents=5), tab(host=host, batchEvents=5, other=page.context.new_page())]
    assert tabs[0].run("Boolean(navigator.locks)") == (host != ATTACKER)
    ids = []
    for start in range(0, 40, 4):
        ids += tabs[start // 4 % 2].track(reads(4, start))
    trained(ids)
    if host != ATTACKER:
        sent = [event["EventId"] for events in requests for event in events]
        assert sorted(sent) == sorted(ids)


def test_events_of_hours_offline_arrive_with_the_connection(tab, page, trained, until):
    client = tab()
    page.context.set_offline(True)
    ids = client.track(reads(3))
    assert until(lambda: client.seen("retries"))[0]["status"] == 0
    page.context.set_offline(False)
    trained(ids)


def test_a_failing_api_gets_the_events_again_after_growing_pauses(tab, page, trained, until):
    outcomes = ["503", "429", "abort", "500", "no JSON"]
    page.clock.install()

    def fail(route):
        outcome = outcomes.pop(0) if outcomes else ""
        if not outcome:
            return route.continue_()
        if outcome == "abort":
            return route.abort()
        if outcome == "no JSON":
            return route.fulfill(status=200, body="<p>Please sign in to this network.", headers=CORS)
        body = {"Code": "SomeError", "Message": "Not now."}
        after = {"Retry-After": "90"} if outcome == "503" else {}
        return route.fulfill(status=int(outcome), json=body, headers=CORS | after)

    page.route("**/events", fail)
    client = tab()
    ids = client.track(reads(3))
    for count in range(1, 6):
        until(lambda count=count: len(client.seen("retries")) == count)
        page.clock.fast_forward(1_000 * max(95 if count == 1 else 0, 2**count))
    trained(ids)
    retries = client.seen("retries")
    assert [retry["status"] for retry in retries] == [503, 429, 0, 500, 200]
    assert [retry["seconds"] >= least for retry, least in zip(retries, (90, 1, 2, 4, 8), strict=True)]
    assert retries[0]["seconds"] == 90
    assert retries[0]["Message"] == "Not now."


CORS = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After"}


def test_a_refused_event_is_dropped_and_does_not_hold_up_the_others(tab, trained, until):
    client = tab()
    wrong = {"Event": {"itemId": "emma"}}
    first, bad, last = client.track([*reads(1), wrong, *reads(1)])
    trained([first, last])
    [refused] = until(lambda: client.seen("refused"))
    assert refused["event"]["EventId"] == bad
    assert refused["Code"] == "BadRequestError"
    assert "EventType is required" in refused["Message"]
    client.track([wrong])  # alone: the whole response is 400
    until(lambda: len(client.seen("refused")) == 2)
    assert client.events_stored() == []


def test_a_batch_that_is_too_large_is_cut(tab, page, trained, until):
    def limit(route):
        if len(route.request.post_data) < 1_500:
            return route.continue_()
        return route.fulfill(status=413, json={"Code": "REQUEST_TOO_LARGE", "Message": "…"}, headers=CORS)

    page.route("**/events", limit)
    client = tab(batchEvents=30)
    large = {"EventType": "read", "Event": {"itemId": "emma", "NOTE": "n" * 2_000}}
    ids = client.track([*reads(14), large, *reads(15)])
    trained(ids[:14] + ids[15:])
    [refused] = until(lambda: client.seen("refused"))
    assert (refused["event"]["EventId"], refused["Code"]) == (ids[14], "REQUEST_TOO_LARGE")


def test_two_hundred_events_of_an_outage_are_trained_on_once(tab, page, trained, until):
    page.clock.install()
    page.route("**/events", lambda route: route.abort())
    client = tab()
    ids = client.track(reads(100))
    until(lambda: client.seen("retries"))
    client.open()
    ids += client.track(reads(100, 100))
    until(lambda: client.seen("retries"))
    page.unroute("**/events")
    page.clock.fast_forward(300_000)
    trained(ids)
    until(lambda: client.events_stored() == [])


def test_many_events_at_once_after_a_failure_need_no_further_event_to_be_sent(tab, page, trained, until):
    """Each of them asks the client to send, also while it is about to plan its next try."""
    page.route("**/events", lambda route: route.abort())
    client = tab()
    ids = client.track(reads(1))
    until(lambda: client.seen("retries"))
    ids += client.track(reads(80, 1))
    page.unroute("**/events")
    trained(ids)


@pytest.mark.parametrize("bound", [{"storedEvents": 10}, {"storedBytes": 2_200}])
def test_storage_is_bounded_and_the_oldest_events_go_first(tab, until, bound):
    client = tab(batchSeconds=LATER, **bound)
    ids = client.track(reads(20))
    kept = len(client.events_stored())
    assert 8 <= kept <= 10
    until(lambda: client.seen("dropped") == list(range(1, 21 - kept)))
    assert client.run("client.dropped") == 20 - kept
    client.run("client.flush()")
    assert [event["EventId"] for event in until(lambda: client.seen("sent"))] == ids[-kept:]


@pytest.mark.parametrize("fault", ["forbidden", "full"])
def test_without_storage_the_client_works_in_memory(tab, page, trained, fault):
    if fault == "forbidden":
        page.add_init_script(
            "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no'); }})"
        )
    else:
        page.add_init_script("""
            let text = "x".repeat(1 << 20);
            while (text) try { localStorage[`site${text.length}${localStorage.length}`] = text; }
                         catch { text = text.slice(text.length / 2 + 0.5); }
        """)
    client = tab()
    trained(client.track(reads(3)))


def test_a_broken_entry_of_storage_holds_nothing_up(tab, page, trained):
    page.add_init_script("localStorage['personalize.user'] = localStorage['personalize.event.0'] = '{'")
    trained(tab().track(reads(1)))


def test_nothing_is_stored_or_sent_before_consent(tab, page, trained, until, requests):
    client = tab(consent="required", storedEvents=5)
    client.run("client.identify('ann')")
    ids = client.track(reads(7))
    client.run("client.flush()")
    assert (client.stored(), requests) == ([], [])
    lists = []
    page.on("request", lambda request: lists.append(request.post_data))
    client.run("client.recommend({numResults: 3})")
    assert "ann" not in "".join(filter(None, lists))
    client.run("client.consent(true)")
    assert {event["userId"] for event in trained(ids[2:])} == {"ann"}
    assert client.seen("dropped") == [1, 2]
    client.run("client.consent(false)")
    client.track(reads(1))
    assert (client.stored(), len(requests)) == ([], 1)


def test_events_before_consent_belong_to_the_stored_session(tab, trained):
    client = tab(consent="required")
    client.run("client.consent(true)")
    before = client.track(reads(1))
    client.open()
    early = client.track(reads(1))
    client.run("client.consent(true)")
    first, second = trained(before + early)
    assert first["sessionId"] == second["sessionId"]


def test_a_visitor_without_a_user_loses_no_event_before_consent(tab, trained):
    client = tab(consent="required")
    client.run("client.identify(undefined)")
    odd = client.track([{"EventType": "read", "Event": {"itemId": "undefined"}}])
    client.run("client.consent(true)")
    [found] = trained(odd)
    assert (found["itemId"], found["userId"]) == ("undefined", None)


def test_another_user_before_consent_begins_another_session(tab, trained):
    client = tab(consent="required")
    client.run("client.identify('ann'), client.consent(true)")
    of_ann = client.track(reads(1))
    client.open()
    client.run("client.identify('bob')")
    of_bob = client.track(reads(1))
    client.run("client.consent(true)")
    first, second = trained(of_ann + of_bob)
    assert (first["userId"], second["userId"]) == ("ann", "bob")
    assert first["sessionId"] != second["sessionId"]


def test_after_forget_consent_is_asked_for_again(tab, trained, requests):
    client = tab(consent="required")
    client.run("client.consent(true), client.forget()")
    ids = client.track(reads(1))
    assert (client.stored(), requests) == ([], [])
    client.run("client.consent(true)")
    trained(ids)


def test_a_storage_that_fills_up_gives_room_to_the_newest_events(tab, page, until, requests):
    """The oldest are dropped and counted, and nothing is sent twice."""
    page.route("**/events", lambda route: route.abort())
    client = tab()
    client.track(reads(5))
    until(lambda: client.seen("retries"))
    client.run(
        "(() => { const room = 'x'.repeat(1000); let n = 0;"
        " try { while (true) localStorage.setItem(`site ${n++}`, room); } catch {}"
        " try { while (true) localStorage.setItem(`small ${n++}`, 'x'); } catch {} })()"
    )
    client.track(reads(3, 5))
    assert client.seen("dropped")
    assert len(client.events_stored()) + client.run("client.dropped") == 8


def test_forget_clears_what_is_stored(tab, page, until):
    page.route("**/events", lambda route: route.abort())
    client = tab()
    client.run("localStorage.setItem('site', 'kept'), client.identify('ann')")
    [before] = client.run(TRACK, reads(1))
    until(lambda: client.seen("retries"))
    client.run("client.forget()")
    assert client.stored() == ["site"]
    [after] = client.run(TRACK, reads(1))
    assert after["SessionId"] != before["SessionId"]
    assert after.get("UserId") is None


def test_a_session_survives_a_reload_and_ends_after_inactivity(tab, page):
    page.clock.install()
    client = tab(batchSeconds=LATER)
    session = "client.track({EventType: 'read'}).SessionId"
    first = client.run(session)
    page.clock.fast_forward("29:00")
    client.open()
    assert client.run(session) == first
    page.clock.fast_forward("29:00")
    assert client.run(session) == first
    page.clock.fast_forward("31:00")
    assert client.run(session) != first


def test_a_visitor_who_signs_in_keeps_the_session_and_one_who_signs_out_does_not(tab, trained):
    client = tab()
    ids = client.track(reads(1))
    client.run("client.identify('ann')")
    ids += client.track(reads(1))
    client.open()
    ids += client.track(reads(1))
    client.run("client.identify(null)")
    ids += client.track(reads(1))
    found = trained(ids)
    assert [event["userId"] for event in found] == [None, "ann", "ann", None]
    sessions = [event["sessionId"] for event in found]
    assert sessions[0] == sessions[1] == sessions[2] != sessions[3]


RECOMMEND = """
async ([request, options]) => {
    try {
        return await client.recommend(request, options);
    } catch ({ status, Code, Message, retryAfter }) {
        return { status, Code, Message, retryAfter };
    }
}
"""


def test_recommendations_are_for_the_visitor_unless_the_request_names_somebody(tab, page):
    bodies = []
    page.on("request", lambda request: bodies.append(request.post_data_json) if request.post_data else None)
    client = tab(batchSeconds=LATER)
    client.run("client.flush()")  # that of the start has ended

    def recommend(request, **options):
        return client.run(RECOMMEND, [request, options])

    found = recommend({"numResults": 3})
    assert (len(found["itemList"]), found["source"]) == (3, "personalize")
    session = client.run("client.track({}).SessionId")
    assert bodies[0] == {"numResults": 3, "sessionId": session}
    client.run("client.identify('ann')")
    similar = {"itemId": "dracula", "campaign": "similar", "numResults": 3}
    assert recommend(similar)["campaign"] == "similar"
    assert bodies[-1] == similar
    page_of_lists = recommend({"requests": [{"numResults": 2}, {"userId": "bob", "numResults": 2}]})
    assert [len(each["itemList"]) for each in page_of_lists["results"]] == [2, 2]
    assert [each["userId"] for each in bodies[-1]["requests"]] == ["ann", "bob"]
    assert recommend({"campaign": "none"}).items() >= {"status": 404, "Code": "NotFoundError"}.items()
    page.route("**/recommendations", lambda route: None)
    assert recommend({}, timeoutMs=100).items() >= {"status": 0, "Code": "TimeoutError"}.items()


def test_an_error_of_recommendations_says_when_to_try_again(tab, stack):
    client = tab()
    client.run("client.identify('nobody-before')")  # for whom nothing stands in
    stack.engine.set_faults(throttleRate=1.0)
    try:
        error = client.run(RECOMMEND, [{"numResults": 4}, {}])
    finally:
        stack.engine.set_faults()
    assert (error["status"], error["Code"], error["retryAfter"]) == (429, "TooManyRequestsError", 1)
    assert error["Message"]


def test_a_wrong_key_is_reported_and_drops_nothing(tab, stack, trained, until):
    client = tab(key="wrong")
    ids = client.track(reads(2))
    [retry, *_] = until(lambda: client.seen("retries"))
    assert (retry["status"], retry["Code"]) == (403, "INVALID_API_KEY")
    assert len(client.events_stored()) == 2
    client.open(key=stack.stack.apiKey)
    trained(ids)


@pytest.mark.parametrize("days", [2, -2])
def test_a_wrong_clock_loses_no_event(tab, page, trained, days):
    now = datetime.now(timezone.utc)
    page.clock.install(time=now + timedelta(days=days))
    client = tab()
    [event] = trained(client.track(reads(1)))
    # The API says its own time where it refuses one to come. Of a clock that is behind, nothing is known.
    expected = now if days > 0 else now + timedelta(days=days)
    assert abs(event["sentAt"] - expected.timestamp()) < 60


def test_a_callback_that_throws_holds_nothing_up(tab, trained):
    client = tab(load=False)
    client.page.goto(client.address)
    client.run(
        """async (options) => {
            const { createClient } = await import("/client.js");
            const onSent = () => { throw new Error("of the page"); };
            window.client = createClient({ ...options, onSent, batchEvents: 1 });
        }""",
        client.options,
    )
    trained(client.track(reads(3)))


def test_the_example_of_the_documentation_works(stack, page, other_origin, until):
    text = (CLIENT.parents[1] / "docs" / "clients.md").read_text("utf-8")
    [example] = re.findall(r"^```html\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    html = example.replace("https://api.example/api", stack.stack.apiUrl).replace(
        "the-key", stack.stack.apiKey
    )
    user = "reader-of-the-documentation"
    page.goto(f"http://127.0.0.1:{other_origin(html.replace('ann', user))}/")
    until(lambda: page.locator("#shelf li").count() == 5)
    page.locator("#shelf li").first.click()
    until(lambda: received_of(stack, user))
