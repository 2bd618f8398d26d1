"""Settings: what is read, what is refused, and that the documentation lists them all."""

from pathlib import Path

import pytest

from chalicelib import config
from chalicelib.config import Config
from chalicelib.errors import ConfigError
from tests.conftest import SETTINGS

DOCUMENTED = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_defaults():
    read = Config.from_environ({**SETTINGS, "EVENTS_BUCKET_NAME": ""})
    assert read.report_batch_item_failures is False
    assert read.allowed_origins.fixed == "*"
    assert read.allowed_headers == ()
    assert read.log_level == "INFO"
    assert read.events_bucket_name is None
    assert read.max_events_per_request == 500
    assert read.max_requests_per_page == 10
    assert read.personalize_budget_seconds == 1.0
    assert (read.fallback_campaign_arn, read.fallback_items, read.experiment) == (None, (), None)


@pytest.mark.parametrize("name", ["CAMPAIGN_ARN", "TRACKING_ID", "EVENT_STREAM_NAME", "QUARANTINE_QUEUE_URL"])
@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_setting_is_named(name, value):
    environ = {key: text for key, text in (SETTINGS | {name: value}).items() if text is not None}
    with pytest.raises(ConfigError, match=f"^{name} is not set"):
        Config.from_environ(environ)


@pytest.mark.parametrize("spelling", ["True", "1", "yes", "on"])
def test_a_boolean_takes_two_spellings_only(spelling):
    with pytest.raises(ConfigError, match=r"REPORT_BATCH_ITEM_FAILURES is .* it takes true or false"):
        Config.from_environ(SETTINGS | {"REPORT_BATCH_ITEM_FAILURES": spelling})


@pytest.mark.parametrize("text", ["0", "501", "-1", "2.5", "many", "５", "9" * 5000, "1_0"])
def test_a_number_outside_its_range_is_refused(text):
    with pytest.raises(ConfigError, match="it takes a whole number from 1 to 500"):
        Config.from_environ(SETTINGS | {"MAX_EVENTS_PER_REQUEST": text})


ARN = "arn:aws:personalize:eu-west-1:111122223333:{}"


def test_campaigns_are_a_list_and_two_of_one_route_have_two_names():
    others = [ARN.format("campaign/similar"), ARN.format("recommender/popular")]
    given = SETTINGS | {"OTHER_CAMPAIGN_ARNS": " , ".join(others)}
    assert Config.from_environ(given).other_campaign_arns == tuple(others)
    for read in (Config.from_environ, config.check):
        with pytest.raises(ConfigError, match=r"Two campaigns have the name 'similar'.* OTHER_CAMPAIGN_ARNS"):
            read(given | {"RANKING_CAMPAIGN_ARN": ARN.format("campaign/similar")})


@pytest.mark.parametrize(
    ("name", "text", "takes"),
    [
        ("RANKING_CAMPAIGN_ARN", ARN.format("recommender/shop"), "it takes the ARN of a campaign"),
        ("ACTION_CAMPAIGN_ARN", "actions", "it takes the ARN of a campaign"),
        ("OTHER_CAMPAIGN_ARNS", ARN.format("campaign/a,"), "it takes ARNs of campaigns and recommenders"),
        ("OTHER_CAMPAIGN_ARNS", ARN.format("filter/a"), "it takes ARNs of campaigns and recommenders"),
        ("FALLBACK_CAMPAIGN_ARN", "popular", "it takes the ARN of a campaign or a recommender"),
    ],
)
def test_what_is_no_campaign_is_refused(name, text, takes):
    with pytest.raises(ConfigError, match=f"^{name} is .*{takes}"):
        config.check({name: text})


@pytest.mark.parametrize(
    ("name", "text", "takes"),
    [
        ("MAX_REQUESTS_PER_PAGE", "11", "a whole number from 1 to 10"),
        ("PERSONALIZE_BUDGET_MS", "49", "a whole number from 50 to 20000"),
        ("PERSONALIZE_BUDGET_MS", "1.5", "a whole number from 50 to 20000"),
        ("FALLBACK_ITEMS", "a,,b", "different item ids of 1 to 256 characters"),
        ("FALLBACK_ITEMS", "a,b,a", "different item ids of 1 to 256 characters"),
        ("FALLBACK_ITEMS", "é" * 257, "different item ids of 1 to 256 characters"),
        ("FALLBACK_ITEMS", ",".join(f"item-{n}" for n in range(300)), "at most 2048 bytes"),
    ],
)
def test_what_a_fallback_or_a_limit_does_not_take_is_told(name, text, takes):
    with pytest.raises(ConfigError, match=f"^{name} is .* it takes {takes}"):
        Config.from_environ(SETTINGS | {name: text})


def test_a_fallback_is_read():
    given = {"FALLBACK_ITEMS": " a, b ", "FALLBACK_CAMPAIGN_ARN": ARN.format("recommender/popular")}
    read = Config.from_environ(SETTINGS | given)
    assert read.fallback_items == ("a", "b")
    assert read.fallback_campaign_arn == ARN.format("recommender/popular")


def test_an_experiment_is_checked_against_the_campaigns_that_are_known():
    given = {"EXPERIMENT": "autumn:a=1,b=1"}
    config.check(given)  # the campaigns may be set later
    with pytest.raises(ConfigError, match="EXPERIMENT names the campaign 'b'"):
        config.check(given | {"CAMPAIGN_ARN": ARN.format("campaign/a")})


def test_an_unknown_log_level_is_refused():
    with pytest.raises(ConfigError, match="LOG_LEVEL is 'LOUD'; it takes DEBUG or INFO"):
        Config.from_environ(SETTINGS | {"LOG_LEVEL": "LOUD"})


def test_every_variable_is_documented_with_the_words_of_the_code():
    text = DOCUMENTED.read_text("utf-8")
    for setting in config.SETTINGS:
        assert f"| `{setting.name}` | {setting.help} |" in text
