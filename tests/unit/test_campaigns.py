"""Which campaign responds."""

import pytest

from chalicelib.config import Config
from chalicelib.errors import ConfigError, NotFoundError
from chalicelib.selection.campaigns import choose, name_of
from tests.conftest import SETTINGS

ARN = "arn:aws:personalize:eu-west-1:111122223333:{}"
HOME, SIMILAR = ARN.format("campaign/home"), ARN.format("recommender/similar")


def test_the_name_is_the_last_part_of_the_arn():
    assert (name_of(HOME), name_of(SIMILAR)) == ("home", "similar")


@pytest.mark.parametrize(
    ("name", "default", "others", "chosen"),
    [
        (None, HOME, [], HOME),
        (None, HOME, [SIMILAR], HOME),
        ("home", HOME, [SIMILAR], HOME),
        ("similar", HOME, [SIMILAR], SIMILAR),
        ("similar", None, [SIMILAR], SIMILAR),
    ],
)
def test_a_campaign_is_chosen_by_name_and_the_default_one_without(name, default, others, chosen):
    assert choose(name, default, others) == chosen


@pytest.mark.parametrize("name", ["other", "", "HOME", "campaign/home", HOME])
def test_a_campaign_that_is_not_configured_is_not_found(name):
    with pytest.raises(NotFoundError, match=r"^There is no campaign "):
        choose(name, HOME, [SIMILAR])


def test_a_route_without_a_campaign_says_so():
    with pytest.raises(NotFoundError, match=r"^No campaign is configured for this route\."):
        choose(None, None, [SIMILAR])


def test_two_campaigns_of_one_name_are_told_at_start():
    other = SIMILAR.replace("similar", "local")
    with pytest.raises(ConfigError, match=r"^Two campaigns have the name 'local'"):
        Config.from_environ(SETTINGS | {"OTHER_CAMPAIGN_ARNS": f"{SIMILAR},{other}"})
    # Two routes may have campaigns of one name: no request could mean the wrong one.
    ranking = HOME.replace("home", "local")
    config = Config.from_environ(SETTINGS | {"RANKING_CAMPAIGN_ARN": ranking, "ACTION_CAMPAIGN_ARN": ranking})
    assert config.ranking_campaign_arn == config.action_campaign_arn == ranking


@pytest.mark.parametrize("name", ["OTHER_CAMPAIGN_ARNS", "RANKING_CAMPAIGN_ARN", "ACTION_CAMPAIGN_ARN"])
@pytest.mark.parametrize("text", ["home", f"{HOME},", f"{HOME} {SIMILAR}", "arn:aws:s3:::x"])
def test_what_is_no_arn_is_told_at_start(name, text):
    with pytest.raises(
        ConfigError, match=rf"^{name} is .*; it takes (the ARN of a campaign|ARNs of campaigns)"
    ):
        Config.from_environ(SETTINGS | {name: text})
