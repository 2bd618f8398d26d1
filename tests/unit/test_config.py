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


def test_an_unknown_log_level_is_refused():
    with pytest.raises(ConfigError, match="LOG_LEVEL is 'LOUD'; it takes DEBUG or INFO"):
        Config.from_environ(SETTINGS | {"LOG_LEVEL": "LOUD"})


def test_every_variable_is_documented_with_the_words_of_the_code():
    text = DOCUMENTED.read_text("utf-8")
    for setting in config.SETTINGS:
        assert f"| `{setting.name}` | {setting.help} |" in text
