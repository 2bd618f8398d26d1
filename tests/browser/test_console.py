"""The console in a real browser, through the running local stack."""

import json
import subprocess
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from local.console.page import Page
from local.console.running import running_console
from local.console.site import FOLDER, Site

MAX_PAGE_BYTES = 150_000
MAX_CLIENT_BYTES = 8192
PHONE = {"width": 390, "height": 844}
VIEWS = ("shop", "pipeline", "debugger", "faults")
CARD = "#shelf [data-testid=card]"


class Visit:
    """An open page with what it must never do: errors, refusals of the policy, requests to other hosts."""

    def __init__(self, page, stack):
        self.page = page
        self.hosts = {urlsplit(stack.stack.consoleUrl).netloc, urlsplit(stack.stack.apiUrl).netloc}
        self.others = []
        self.complaints = []
        page.on("request", self._requested)
        page.on("console", self._logged)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _requested(self, request):
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and address.netloc not in self.hosts:
            self.others.append(request.url)

    def _logged(self, message):
        # The browser itself logs each response that is an error: that is what some tests provoke.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)


@pytest.fixture
def open_console(browser, stack):
    """``open_console(view, ...)`` opens the page. At the end nothing of it may have gone wrong."""
    visits, contexts = [], []

    def visit(view="shop", url=None, **settings):
        context = browser.new_context(**{"locale": "en-GB", **settings})
        contexts.append(context)
        page = context.new_page()
        visits.append(Visit(page, stack))
        if url is not None:
            visits[-1].hosts.add(urlsplit(url).netloc)
        page.goto(f"{url or stack.stack.consoleUrl}/#{view}")
        return page

    yield visit
    for context in contexts:
        context.close()
    for each in visits:
        assert each.others == []
        assert each.complaints == []


@pytest.fixture
def no_faults(stack):
    yield
    stack.engine.control("DELETE", "/_engine/faults")


def ids(page):
    return page.locator(CARD).evaluate_all("cards => cards.map((card) => card.dataset.id)")


def count(page, name):
    return page.locator(f"[data-testid=count-{name}] dd")


def act(page, action, number=0):
    page.locator(CARD).nth(number).locator(f"[data-action={action}]").click()


def test_the_first_list_is_there_with_one_call(open_console):
    page = open_console()
    expect(page.locator(CARD)).to_have_count(12)
    calls = page.evaluate(
        "performance.getEntriesByType('resource')"
        ".filter(({ name }) => name.endsWith('/recommendations')).length"
    )
    assert calls == 1
    expect(page.locator("#shelf-facts .source dd")).to_have_text("personalize")


def test_the_page_is_small_and_the_client_smaller():
    assert sum(path.stat().st_size for path in {*Site().files().values()}) < MAX_PAGE_BYTES
    assert (FOLDER / "client.js").stat().st_size < MAX_CLIENT_BYTES


def test_a_click_changes_the_shelf_and_says_what_changed(open_console):
    page = open_console()
    expect(page.locator(CARD)).to_have_count(12)
    page.fill("#user", "console-click")
    page.click("#sign-in")
    expect(page.locator("#title-shelf")).to_have_text("Recommended for console-click")
    expect(page.locator(CARD)).to_have_count(12)
    before = ids(page)
    act(page, "like")
    expect(count(page, "trained")).to_have_text("1")
    expect(page.locator("[data-testid=counts-say]")).to_have_class("met")
    expect(page.locator(".badge.fresh").first).to_contain_text("New")
    expect(page.locator("#live")).to_contain_text("new,")
    assert ids(page) != before
    assert before[0] not in ids(page)
    expect(page.locator("#left")).to_be_visible()


def test_a_visitor_who_signs_in_midway_keeps_the_session(open_console, stack, eventually):
    page = open_console()
    page.select_option("#visitor", "")
    expect(page.locator("#title-shelf")).to_have_text("Recommended for this visitor")
    expect(page.locator(CARD)).to_have_count(12)
    act(page, "view")
    expect(count(page, "trained")).to_have_text("1")
    page.fill("#user", "console-midway")
    page.click("#sign-in")
    expect(page.locator("#title-shelf")).to_have_text("Recommended for console-midway")
    act(page, "buy", 1)
    expect(count(page, "trained")).to_have_text("2")
    events = stack.engine.control("GET", "/_engine/events")["events"][-2:]
    assert [(event["userId"], event["eventType"]) for event in events][1] == ("console-midway", "buy")
    assert events[0]["sessionId"] == events[1]["sessionId"]


def test_filters_promotions_and_similar_items(open_console):
    page = open_console()
    page.click("#choices summary")
    page.select_option("#choose-filter", "of-a-genre")
    page.fill("#value-of-a-genre-GENRE", "gothic, poetry")
    page.press("#value-of-a-genre-GENRE", "Tab")
    page.select_option("#choose-promotion", "older-than")
    page.fill("#value-older-than-YEAR", "1800")
    page.press("#value-older-than-YEAR", "Tab")
    expect(page.locator(CARD).filter(has_text="Promotion older-than").first).to_be_visible()
    expect(page.locator(CARD).filter(has_text="Why: Promoted item").first).to_be_visible()
    ordinary = page.locator(CARD).filter(has_not_text="Promotion").locator(".genres").all_inner_texts()
    assert ordinary
    assert all("gothic" in genres or "poetry" in genres for genres in ordinary)
    act(page, "similar")
    expect(page.locator("[data-testid=similar-card]")).to_have_count(6)
    expect(page.locator("#title-similar")).to_be_focused()


def test_source_variant_and_reason_are_shown_and_data_is_only_text(open_console, stack):
    page = open_console()
    expect(page.locator(CARD)).to_have_count(12)
    title = "<img src=x onerror=alert(1)>"
    response = {
        "itemList": [
            {"itemId": "not-in-the-catalogue", "reason": ["popularity"], "metadata": {"TITLE": title}}
        ],
        "campaign": "new",
        "source": "stale",
        "experiment": {"name": "autumn", "variant": "new"},
    }
    headers = {"access-control-allow-origin": "*", "content-type": "application/json"}
    page.route(
        f"{stack.stack.apiUrl}/recommendations",
        lambda route: route.fulfill(status=200, headers=headers, body=json.dumps(response)),
    )
    page.click("#ask-again")
    expect(page.locator("#shelf-facts")).to_contain_text("new (autumn)")
    expect(page.locator("#shelf-facts .stale dd")).to_have_text("stale (an earlier response)")
    expect(page.locator(f"{CARD} h4")).to_have_text(title)
    expect(page.locator(CARD)).to_contain_text("Why: popularity")
    expect(page.locator(f"{CARD} img")).to_have_count(0)


def test_a_wrong_key_is_a_sentence_and_what_to_do(open_console):
    page = open_console()
    expect(page.locator(CARD)).to_have_count(12)
    page.click("#connection summary")
    page.fill("#key", "a-wrong-key")
    page.click("#use-key")
    expect(page.locator("[data-testid=failure]")).to_contain_text("The API refused the key. Open Connection")
    page.click("#connection summary")
    page.click("#local-key")
    expect(page.locator(CARD)).to_have_count(12)
    expect(page.locator("[data-testid=failure]")).to_have_count(0)


def test_a_throttled_list_counts_down_and_comes_back(open_console, stack):
    page = open_console()
    expect(page.locator(CARD)).to_have_count(12)
    response = {
        "status": 429,
        "headers": {
            "retry-after": "2",
            "access-control-allow-origin": "*",
            "access-control-expose-headers": "Retry-After",
        },
        "body": json.dumps({"Code": "TooManyRequestsError", "Message": "Too many requests."}),
    }
    pattern = f"{stack.stack.apiUrl}/recommendations"
    page.route(pattern, lambda route: route.fulfill(**response))
    page.click("#ask-again")
    expect(page.locator("[data-testid=failure]")).to_contain_text("throttles")
    expect(page.locator("[data-testid=countdown]")).to_contain_text("Next try in")
    page.unroute(pattern)
    expect(page.locator("[data-testid=failure]")).to_have_count(0)


def test_spanish_is_the_browsers_choice_and_is_remembered(open_console):
    page = open_console(locale="es-MX")
    expect(page.locator("#title-shop")).to_have_text("Tienda")
    assert page.locator("html").get_attribute("lang") == "es"
    page.select_option("#language", "en")
    expect(page.locator("#title-shop")).to_have_text("Shop")
    page.reload()
    expect(page.locator("#title-shop")).to_have_text("Shop")
    for view in VIEWS:
        page.click(f"nav a[data-view={view}]")
        english = page.locator(f"#title-{view}").inner_text()
        page.select_option("#language", "es")
        assert page.locator(f"#title-{view}").inner_text() != english
        page.select_option("#language", "en")


def test_everything_is_reached_by_keyboard_and_the_focus_stays(open_console):
    page = open_console()
    expect(page.locator(CARD)).to_have_count(12)
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
    expect(page.locator("#view-shop")).to_be_visible()
    button = page.locator(CARD).nth(3).locator("[data-action=view]")
    chosen = page.locator(CARD).nth(3).get_attribute("data-id")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.item ?? ''") == chosen:
            break
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    expect(count(page, "trained")).to_have_text("1")
    expect(page.locator("#live")).to_contain_text("The shelf changed")
    # The item has left the shelf, so the focus is at its heading and not lost.
    expect(page.locator("#title-shelf")).to_be_focused()
    page.locator("nav a[data-view=pipeline]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#title-pipeline")).to_be_focused()
    expect(page.locator("nav a[data-view=pipeline]")).to_have_attribute("aria-current", "page")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_in_one_direction_only(open_console, scheme):
    page = open_console(viewport=PHONE, color_scheme=scheme, locale="es-ES")
    expect(page.locator(CARD)).to_have_count(12)
    page.click("#choices summary")
    for view in VIEWS:
        page.click(f"nav a[data-view={view}]")
        expect(page.locator(f"#view-{view}")).to_be_visible()
        if view == "debugger":
            page.click("#example-batch")
            expect(page.locator("[data-testid=judged]")).to_have_count(3)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view


def test_a_quarantined_event_is_shown_with_its_reason(open_console, stack):
    page = open_console("faults")
    page.click("#put-bad")
    expect(count(page, "quarantined")).to_have_text("1")
    expect(page.locator("[data-testid=counts-say]")).to_have_class("met")
    page.click("nav a[data-view=pipeline]")
    shown = page.locator("[data-testid=quarantined]").first
    expect(shown).to_contain_text("unreadable")
    expect(shown).to_contain_text("EventType is required")
    expect(shown).to_contain_text("a-record-without-its-event-type")
    stack.client("sqs").purge_queue(QueueUrl=stack.stack.quarantineQueueUrl)


def test_the_pipeline_shows_an_event_with_its_times(open_console):
    page = open_console()
    act(page, "view")
    expect(count(page, "trained")).to_have_text("1")
    page.click("nav a[data-view=pipeline]")
    row = page.locator("[data-testid=passed]").first
    expect(row).to_have_attribute("data-state", "trained")
    # The archive is read a few objects at a time, and other tests have filled it.
    expect(row.locator("td").nth(4)).to_contain_text("ms", timeout=30_000)


def test_the_debugger_names_the_field_and_the_remedy(open_console):
    page = open_console("debugger")
    page.click("#example-misspelt")
    judged = page.locator("[data-testid=judged]")
    expect(judged).to_have_class("invalid")
    expect(judged).to_contain_text("Did you mean SessionId?")
    expect(judged.locator("code")).to_have_text("SessionId")
    page.click("#example-putEvents")
    expect(judged).to_have_class("valid")
    expect(judged).to_contain_text('"eventList"')
    page.click("#example-time")
    expect(judged.locator("code")).to_have_text("SentAt")
    page.fill("#body", "{")
    page.click("#judge")
    expect(judged).to_contain_text("JSON")


def test_the_call_to_copy_is_the_call_that_was_made(open_console, stack):
    page = open_console()
    name = 'it\'s $HOME `ls` "ñ"'
    page.fill("#user", name)
    page.click("#sign-in")
    expect(page.locator("#request-text")).to_contain_text("it's $HOME")
    page.click("#request-curl")
    text = page.locator("#request-text").text_content()
    assert "YOUR_KEY" in text
    assert stack.stack.apiKey not in text
    page.click("#show-key")
    command = page.locator("#request-text").text_content()
    # A shell reads it; a function that takes the name of curl shows what curl would get.
    script = f"curl() {{ printf '%s\\0' \"$@\"; }}\n{command}"
    found = subprocess.run(["sh", "-c", script], capture_output=True, check=True, timeout=30)
    words = found.stdout.decode().split("\0")
    assert json.loads(words[words.index("--data-raw") + 1])["userId"] == name
    assert words[words.index("-X") + 1 :][:1] == ["POST"]
    assert f"x-api-key: {stack.stack.apiKey}" in words
    page.click("#request-python")
    program = page.locator("#request-text").text_content()
    compile(program, "copied", "exec")
    assert stack.stack.apiKey in program


def test_200_events_while_the_api_is_away_are_trained_on_once(open_console, stack, no_faults):
    last = stack.engine.control("GET", "/_engine/events?after=end")["last"]
    page = open_console("faults")
    expect(page.locator("#burst")).to_be_visible()
    expect(page.locator("#shelf [data-id]").first).to_be_attached()
    page.route(f"{stack.stack.apiUrl}/**", lambda route: route.abort())
    for _ in range(5):
        page.click("#burst")
    page.reload()  # in the middle: what is queued survives
    for _ in range(5):
        page.click("#burst")
    expect(count(page, "sent")).to_have_text("200")
    expect(count(page, "accepted")).to_have_text("0")
    stack.engine.control("PUT", "/_engine/faults", {"operations": ["PutEvents"], "throttleRate": 0.3})
    page.unroute(f"{stack.stack.apiUrl}/**")
    expect(count(page, "accepted")).to_have_text("200", timeout=20_000)
    stack.engine.control("DELETE", "/_engine/faults")
    expect(count(page, "trained")).to_have_text("200", timeout=20_000)
    expect(page.locator("[data-testid=counts-say]")).to_have_class("met")
    trained = [
        event["eventId"] for event in stack.engine.control("GET", f"/_engine/events?after={last}")["events"]
    ]
    assert len(trained) == len(set(trained)) == 200


def test_events_that_are_dropped_are_counted_once_each(open_console):
    page = open_console("faults")
    page.check("#fault-offline")
    for _ in range(51):
        page.click("#burst")
    expect(count(page, "sent")).to_have_text("1,020")
    expect(count(page, "dropped")).to_have_text("20")
    page.uncheck("#fault-offline")
    expect(count(page, "trained")).to_have_text("1,000", timeout=60_000)
    expect(page.locator("[data-testid=counts-say]")).to_have_class("met")


def test_an_offline_browser_keeps_its_events_and_sends_them_later(open_console):
    page = open_console("faults")
    page.check("#fault-offline")
    expect(page.locator("[data-testid=offline]")).to_be_visible()
    expect(page.locator("#burst")).to_be_visible()
    page.click("#burst")
    expect(page.locator("[data-testid=counts-say]")).to_contain_text("20 waiting in the browser")
    page.uncheck("#fault-offline")
    expect(count(page, "trained")).to_have_text("20", timeout=15_000)
    expect(page.locator("[data-testid=offline]")).to_have_count(0)


def test_faults_are_switched_at_the_engine_and_shown_everywhere(open_console, stack, no_faults):
    page = open_console("faults")
    page.select_option("#fault-target", "campaign local")
    page.check("#fault-campaignMissing")
    expect(page.locator("[data-testid=faults-on]")).to_contain_text("Missing campaign")
    faults = stack.engine.control("GET", "/_engine/faults")
    assert (faults["campaigns"], faults["campaignMissing"]) == (["local"], True)
    page.click("nav a[data-view=shop]")
    page.fill("#user", "console-faults")
    page.click("#sign-in")
    expect(page.locator("#shelf-facts .fallback dd")).to_contain_text("fallback")
    page.click("nav a[data-view=faults]")
    page.click("#all-off")
    expect(page.locator("[data-testid=faults-on]")).to_have_count(0)
    assert stack.engine.control("GET", "/_engine/faults")["campaignMissing"] is False


def test_a_deployed_stage_asks_for_a_key_and_says_what_cannot_be_seen(open_console, stack, eventually):
    with running_console(0, "") as console:
        console.show(Page("prod", stack.stack.apiUrl))
        page = open_console(url=console.url)
        expect(page.locator("#key")).to_be_focused()
        page.fill("#key", stack.stack.apiKey)
        page.press("#key", "Enter")
        expect(page.locator(CARD)).to_have_count(12)
        page.click("#choices summary")
        page.fill("#choose-metadata", "TITLE, AUTHOR")
        page.press("#choose-metadata", "Tab")

        def has_metadata():
            page.click("#ask-again")  # a busy machine may get the fallback, which has no metadata
            page.wait_for_timeout(300)
            return "-" not in page.locator(f"{CARD} .author").first.inner_text()

        eventually(has_metadata)
        act(page, "view")
        expect(count(page, "accepted")).to_have_text("1")
        page.click("nav a[data-view=pipeline]")
        expect(page.locator("[data-testid=hidden-parts]")).to_contain_text("make trace STAGE=prod")
        stored = page.evaluate("[JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage })]")
        assert stack.stack.apiKey not in stored[0]
        assert stack.stack.apiKey in stored[1]
        page.context.close()
