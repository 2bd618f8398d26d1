"""What stands in when Personalize gives no list, in which order, and for whom it never does."""

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from chalice.test import Client

from chalicelib.selection.experiments import Experiment
from tests.conftest import SETTINGS

LOCAL = SETTINGS["CAMPAIGN_ARN"]
POPULAR = LOCAL.replace("/local", "/popular")
SIMILAR = LOCAL.replace("/local", "/similar")
FILTER = LOCAL.replace("campaign/local", "filter/new")
CONFIGURED = {"fallback_campaign_arn": POPULAR, "fallback_items": ("b1", "b2", "b3")}
FAILURES = {
    "ThrottlingException": 429,
    "InternalServerException": 503,
    "AccessDeniedException": 502,
    "ResourceNotFoundException": 502,
}


class Clock:
    """A clock that a test moves: the time of day and the monotonic one."""

    def __init__(self):
        self.seconds = 0.0

    def now(self):
        return datetime(2026, 1, 31, tzinfo=timezone.utc) + timedelta(seconds=self.seconds)

    def monotonic(self):
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def personalize(stubs):
    return stubs["personalize_runtime"]


@pytest.fixture
def ask(http, configure):
    """``ask(body, path)`` is the response."""
    configure()
    return lambda body, path="/recommendations": http(path, json.dumps(body).encode())


@pytest.fixture
def configure(services, monkeypatch, clock):
    """``configure(**changes)`` changes the deployment."""
    import app  # noqa: PLC0415 - it reads its settings at import, which tests/conftest.py provides first

    def change(**changes):
        config = replace(
            services.config, other_campaign_arns=(SIMILAR,), ranking_campaign_arn=LOCAL, **changes
        )
        fresh = replace(services, config=config, now=clock.now, monotonic=clock.monotonic)
        monkeypatch.setattr(app, "services", fresh)

    return change


def items(*ids):
    return {"itemList": [{"itemId": each} for each in ids], "recommendationId": "r1"}


def logged(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_healthy_response_is_personalizes_and_no_cache_may_keep_it(ask, configure, personalize, capsys):
    configure(**CONFIGURED)
    personalize.add_response("get_recommendations", items("a"))
    response = ask({"userId": "u"})
    assert response.json_body == {**items("a"), "campaign": "local", "source": "personalize"}
    assert response.headers["Cache-Control"] == "no-store"
    line = logged(capsys)
    assert (line["SourcePersonalize"], line["NotPersonalize"]) == ([1], [0])


@pytest.mark.parametrize("code", FAILURES)
def test_the_last_good_response_comes_first(ask, configure, personalize, clock, code):
    configure(**CONFIGURED)
    personalize.add_response("get_recommendations", items("a"))
    ask({"userId": "u"})
    clock.seconds += 900
    personalize.add_client_error("get_recommendations", code)
    response = ask({"userId": "u"})
    assert response.json_body == {**items("a"), "campaign": "local", "source": "stale"}


@pytest.mark.parametrize(
    "other",
    [
        {"userId": "v"},
        {"sessionId": "v"},
        {"userId": "u", "numResults": 24},
        {"userId": "u", "itemId": "i"},
        {"userId": "u", "campaign": "similar"},
        {"userId": "u", "context": {"DEVICE": "tv"}},
    ],
)
def test_another_question_never_gets_the_last_response(ask, personalize, other):
    personalize.add_response("get_recommendations", items("a"))
    ask({"userId": "u"})
    personalize.add_client_error("get_recommendations", "InternalServerException")
    assert ask(other).status_code == 503


def test_a_response_of_more_than_15_minutes_is_not_given_again(ask, personalize, clock):
    personalize.add_response("get_recommendations", items("a"))
    ask({"userId": "u"})
    clock.seconds += 901
    personalize.add_client_error("get_recommendations", "InternalServerException")
    assert ask({"userId": "u"}).status_code == 503


@pytest.mark.parametrize("code", FAILURES)
def test_then_comes_the_fallback_campaign_with_the_filter_and_nothing_that_a_recipe_may_refuse(
    ask, configure, personalize, capsys, code
):
    configure(**CONFIGURED)
    personalize.add_client_error("get_recommendations", code)
    personalize.add_response(
        "get_recommendations",
        items("p"),
        {
            "campaignArn": POPULAR,
            "userId": "u",
            "itemId": "i",
            "numResults": 5,
            "filterArn": FILTER,
            "filterValues": {"G": "1"},
        },
    )
    body = {
        "userId": "u",
        "itemId": "i",
        "numResults": 5,
        "filter": "new",
        "filterValues": {"G": 1},
        "context": {"DEVICE": "tv"},
        "metadataColumns": {"ITEMS": ["GENRE"]},
    }
    response = ask(body)
    assert response.json_body == {**items("p"), "campaign": "popular", "source": "fallback"}
    assert response.headers["Cache-Control"] == "no-store"
    assert logged(capsys)["SourceFallback"] == [1]


def test_a_fallback_is_never_kept(ask, configure, personalize):
    configure(fallback_campaign_arn=POPULAR)
    for code in ("InternalServerException", "InternalServerException"):
        personalize.add_client_error("get_recommendations", code)
        personalize.add_response("get_recommendations", items("p"))
        assert ask({"userId": "u"}).json_body["source"] == "fallback"
    personalize.add_client_error("get_recommendations", "InternalServerException")
    personalize.add_client_error("get_recommendations", "InternalServerException")
    assert ask({"userId": "u"}).status_code == 503


@pytest.mark.parametrize("code", FAILURES)
def test_then_comes_the_fallback_list(ask, configure, personalize, code):
    configure(**CONFIGURED)
    for _ in range(2):
        personalize.add_client_error("get_recommendations", code)
    response = ask({"userId": "u", "itemId": "b2", "numResults": 2})
    assert response.json_body == {
        "itemList": [{"itemId": "b1"}, {"itemId": "b3"}],
        "campaign": "local",
        "source": "fallback",
    }


@pytest.mark.parametrize(("code", "status"), FAILURES.items())
def test_the_list_is_never_given_where_a_filter_was_asked_for(ask, configure, personalize, code, status):
    configure(fallback_items=("b1",))
    personalize.add_client_error("get_recommendations", code)
    found = ask({"userId": "u", "filter": "new"})
    assert found.status_code == (404 if code == "ResourceNotFoundException" else status)


@pytest.mark.parametrize(("code", "status"), FAILURES.items())
def test_then_comes_the_error_of_the_first_campaign(ask, configure, personalize, code, status):
    configure(fallback_campaign_arn=POPULAR)
    personalize.add_client_error("get_recommendations", code)
    personalize.add_client_error("get_recommendations", "InternalServerException")
    response = ask({"userId": "u"})
    assert response.status_code == status
    assert response.headers["Cache-Control"] == "no-store"


def test_each_source_is_counted_and_each_list_has_its_part_in_the_share(ask, personalize, capsys):
    personalize.add_response("get_recommendations", items("a"))
    for user, source in (("u", "Personalize"), ("u", "Stale"), ("v", "None")):
        if source != "Personalize":
            personalize.add_client_error("get_recommendations", "InternalServerException")
        ask({"userId": user})
        line = logged(capsys)
        assert line[f"Source{source}"] == [1]
        assert line["NotPersonalize"] == [int(source != "Personalize")]


@pytest.mark.parametrize("body", [{"userId": "u"}, {"userId": "u", "filter": "new"}])
def test_nothing_stands_in_for_a_request_that_personalize_refuses(ask, configure, personalize, capsys, body):
    configure(**CONFIGURED)
    personalize.add_response("get_recommendations", items("a"))
    ask(body)
    personalize.add_client_error("get_recommendations", "InvalidInputException", "no")
    assert ask(body).status_code == 400
    assert "NotPersonalize" not in logged(capsys)


@pytest.mark.parametrize("body", [{"userId": "null"}, {"userId": "u", "campaign": "x"}, {"numResults": 5}])
def test_nothing_stands_in_for_a_request_that_we_refuse(ask, configure, stubs, body):
    configure(**CONFIGURED)
    assert ask(body).status_code in (400, 404)


def test_an_unknown_filter_is_the_callers_also_with_a_fallback(ask, configure, personalize):
    configure(**CONFIGURED)
    for _ in range(2):
        personalize.add_client_error("get_recommendations", "ResourceNotFoundException")
    assert ask({"userId": "u", "filter": "new"}).status_code == 404


def test_a_filter_that_the_fallback_campaign_knows_shows_that_the_campaign_is_missing(
    ask, configure, personalize
):
    configure(**CONFIGURED)
    personalize.add_client_error("get_recommendations", "ResourceNotFoundException")
    personalize.add_response("get_recommendations", items("p"))
    assert ask({"userId": "u", "filter": "new"}).json_body["source"] == "fallback"


def test_the_filter_of_a_promotion_is_not_shown_by_a_campaign_that_is_not_asked_about_it(
    ask, configure, personalize
):
    configure(**CONFIGURED)
    personalize.add_client_error("get_recommendations", "ResourceNotFoundException")
    promotion = {"name": "p", "percentPromotedItems": 20, "filter": "unknown"}
    assert ask({"userId": "u", "promotions": [promotion]}).status_code == 404


def test_a_fallback_campaign_that_has_nothing_leaves_it_to_the_list(ask, configure, personalize):
    configure(**CONFIGURED)
    personalize.add_client_error("get_recommendations", "InternalServerException")
    personalize.add_response("get_recommendations", items())
    assert ask({"userId": "u", "numResults": 1}).json_body["itemList"] == [{"itemId": "b1"}]


@pytest.mark.parametrize("code", FAILURES)
def test_a_ranking_that_fails_is_the_input_in_its_order(ask, configure, personalize, code):
    configure(**CONFIGURED)
    personalize.add_client_error("get_personalized_ranking", code)
    response = ask({"userId": "u", "inputList": ["z", "a"]}, "/ranking")
    assert response.json_body == {
        "personalizedRanking": [{"itemId": "z"}, {"itemId": "a"}],
        "campaign": "local",
        "source": "fallback",
    }


def test_while_a_circuit_is_open_no_call_is_made_and_it_closes_by_itself(
    ask, configure, personalize, clock, capsys
):
    configure(fallback_items=("b1",))
    for _ in range(3):
        personalize.add_client_error("get_recommendations", "InternalServerException")
        ask({"userId": "u"})
    assert logged(capsys)["CircuitOpened"] == [1]
    assert ask({"userId": "u"}).json_body["source"] == "fallback"
    assert logged(capsys)["CircuitSkipped"] == [1]
    clock.seconds += 1
    personalize.add_response("get_recommendations", items("a"))
    assert ask({"userId": "u"}).json_body["source"] == "personalize"


@pytest.mark.parametrize(("code", "status"), FAILURES.items())
def test_an_open_circuit_without_a_stand_in_says_what_opened_it(ask, personalize, code, status):
    for _ in range(1 if code == "ThrottlingException" else 3):
        personalize.add_client_error("get_recommendations", code)
        ask({"userId": "u"})
    response = ask({"userId": "u"})
    assert response.status_code == status
    assert ("Retry-After" in response.headers) == (status in (429, 503))


def test_the_variant_of_an_experiment_is_asked_said_and_counted(ask, configure, personalize, capsys):
    experiment = Experiment("autumn", (("local", 0.0), ("similar", 1.0)))
    configure(experiment=experiment, **CONFIGURED)
    for body in ({"userId": "u"}, {"sessionId": "u"}):
        asked = {"campaignArn": SIMILAR, "userId": "u", "numResults": 25}
        personalize.add_response("get_recommendations", items("a"), asked)
        found = ask(body).json_body
        assert found["experiment"] == {"name": "autumn", "variant": "similar"}
        assert found["campaign"] == "similar"
        assert logged(capsys)["Variant-similar"] == [1]


@pytest.mark.parametrize("body", [{"userId": "u", "campaign": "local"}, {"itemId": "i"}])
def test_a_request_for_a_campaign_or_for_nobody_is_in_no_experiment(ask, configure, personalize, body):
    configure(experiment=Experiment("autumn", (("local", 0.0), ("similar", 1.0))))
    personalize.add_response("get_recommendations", items("a"))
    found = ask(body).json_body
    assert "experiment" not in found
    assert found["campaign"] == "local"


def test_a_stand_in_counts_for_the_variant_of_the_user(ask, configure, personalize):
    configure(experiment=Experiment("autumn", (("local", 1.0), ("similar", 0.0))), **CONFIGURED)
    personalize.add_client_error("get_recommendations", "InternalServerException")
    personalize.add_response("get_recommendations", items("p"))
    found = ask({"userId": "u"}).json_body
    assert (found["campaign"], found["source"]) == ("popular", "fallback")
    assert found["experiment"] == {"name": "autumn", "variant": "local"}


def test_a_list_that_fails_counts_for_its_variant_too(ask, configure, personalize, capsys):
    """A new campaign with a small weight may fail while the share of all lists looks well."""
    configure(experiment=Experiment("autumn", (("local", 0.0), ("similar", 1.0))))
    personalize.add_client_error("get_recommendations", "InternalServerException")
    ask({"userId": "u"})
    line = logged(capsys)
    assert (line["SourceNone"], line["Variant-similar"], line["NotPersonalize-similar"]) == ([1], [1], [1])
    units = {each["Name"]: each["Unit"] for each in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
    assert units["Variant-similar"] == "Count"


@pytest.mark.parametrize("stands_in", [True, False])
def test_the_log_says_why_a_list_is_not_personalizes(ask, configure, personalize, capsys, stands_in):
    configure(fallback_items=("b1",) if stands_in else ())
    personalize.add_client_error("get_recommendations", "AccessDeniedException")
    ask({"userId": "u"})
    line = logged(capsys)
    assert line["status"] == (200 if stands_in else 502)
    assert line["reason"].startswith("MisconfiguredError: Personalize refused this deployment")


def test_an_empty_list_is_personalizes_own_and_is_not_given_again(ask, configure, personalize):
    configure(fallback_items=("b1",))
    personalize.add_response("get_recommendations", items())
    assert ask({"userId": "u"}).json_body == {**items(), "campaign": "local", "source": "personalize"}
    personalize.add_client_error("get_recommendations", "InternalServerException")
    assert ask({"userId": "u"}).json_body["itemList"] == [{"itemId": "b1"}]


def test_a_response_without_its_list_has_an_empty_one(ask, personalize):
    personalize.add_response("get_recommendations", {"recommendationId": "r1"})
    assert ask({"userId": "u"}).json_body["itemList"] == []


def test_a_response_that_is_none_of_personalize_is_a_failure(ask, personalize):
    for _ in range(3):
        personalize.add_response("get_recommendations", {})
        assert ask({"userId": "u"}).status_code == 503


@pytest.mark.parametrize("stands_in", [True, False])
def test_a_fault_of_ours_is_reported_and_counted_and_stood_in_for(
    ask, configure, services, capsys, stands_in
):
    """Such as a response that botocore cannot read."""
    configure(fallback_items=("b1",) if stands_in else ())

    def explode(**_):
        raise UnicodeDecodeError("utf-8", b"user-77", 0, 1, "invalid")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(services.clients.personalize_runtime, "get_recommendations", explode)
        found = [ask({"userId": "user-77"}).status_code for _ in range(4)]
    assert found == [200] * 4 if stands_in else [500, 500, 500, 503]
    printed = capsys.readouterr().out
    assert printed.count("UnicodeDecodeError") >= 3
    assert "user-77" not in printed


def test_what_is_the_same_for_everybody_may_be_kept(http):
    import app  # noqa: PLC0415 - as above

    with Client(app.app) as client:
        for path in ("/health", "/openapi.json"):
            assert "Cache-Control" not in client.http.get(path).headers
