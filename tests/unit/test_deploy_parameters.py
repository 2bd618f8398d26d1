"""Where the value of a parameter comes from, and what is said about one that has none or a wrong one."""

from typing import Any

import pytest

from ops import parameters
from ops.errors import DeclinedError, InputError
from ops.packaging.bundle import ROOT
from ops.packaging.templates import Templates

DEFINITIONS = Templates.read(ROOT).pipeline_parameters()
ARN = "arn:aws:personalize:eu-west-1:111122223333:campaign/shop"


def resolve(*answers, kept=(), remembered=None, asked=True, **given):
    """The resolved values, and all that was said; ``answers`` are typed one after the other."""
    said, kept_answers, typed = [], {}, iter(answers)

    def ask(prompt):
        said.append(prompt)
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    values = parameters.resolve(
        DEFINITIONS,
        given,
        kept=kept,
        remembered=remembered or {},
        ask=ask if asked else None,
        remember=kept_answers.update,
        report=said.append,
    )
    assert kept_answers.items() <= values.items()
    assert not kept_answers.keys() & given.keys()
    return values, "\n".join(said)


def test_every_open_question_is_asked_in_order_and_an_empty_answer_is_one():
    values, said = resolve(ARN, "tracker-1", "", "ops@shop.example")
    assert values == {
        "CampaignArn": ARN,
        "EventTrackerId": "tracker-1",
        "EventsBucketName": "",
        "NotificationEmail": "ops@shop.example",
    }
    assert (
        said.index("CampaignArn: ") < said.index("EventTrackerId: ") < said.index("EventsBucketName [none]: ")
    )


@pytest.mark.parametrize(
    ("wrong", "right", "name", "expected"),
    [
        ("my-campaign", ARN, "CampaignArn", "it must look like arn:aws:personalize:"),
        ("arn:aws:personalize:us-east-1:1:event-tracker/x", "tracker-1", "EventTrackerId", "not an ARN"),
        ("My Bucket", "personalize-api-shop", "EventsBucketName", "3 to 63 lower-case letters"),
        ("ops at shop", "ops@shop.example", "NotificationEmail", "must be empty or one e-mail address"),
    ],
)
def test_a_wrong_answer_is_told_at_once_and_asked_again(wrong, right, name, expected):
    kept = [other for other in parameters.ASKED if other != name]
    values, said = resolve(wrong, right, kept=kept)
    assert values == {name: right}
    assert expected in said


def test_an_answer_given_before_is_not_asked_for_again():
    remembered = {"CampaignArn": ARN, "EventTrackerId": "t", "EventsBucketName": "", "NotificationEmail": ""}
    values, said = resolve(remembered=remembered, asked=False)
    assert values == remembered
    assert f"CampaignArn: {ARN} (as answered before)" in said


def test_what_is_given_counts_more_than_what_is_remembered():
    values, _ = resolve(kept=parameters.ASKED, remembered={"CampaignArn": "x"}, CampaignArn=ARN)
    assert values == {"CampaignArn": ARN}


def test_a_remembered_answer_that_no_longer_fits_is_asked_for_again():
    kept = [name for name in parameters.ASKED if name != "CampaignArn"]
    assert resolve(ARN, kept=kept, remembered={"CampaignArn": "old form"})[0] == {"CampaignArn": ARN}


def test_where_nobody_can_be_asked_every_missing_option_is_named():
    with pytest.raises(InputError) as raised:
        resolve(asked=False)
    assert str(raised.value).startswith("A value is missing. Give --parameter CampaignArn=...")
    assert "--parameter EventTrackerId=..." in str(raised.value)
    assert "EventsBucketName" not in str(raised.value)


def test_an_end_of_input_is_no_answer():
    with pytest.raises(DeclinedError, match="the question was not answered"):
        resolve()


@pytest.mark.parametrize("value", ["-1", "many", "71", "8761"])
def test_a_number_out_of_its_bounds_is_refused(value):
    with pytest.raises(InputError, match="it must be a number from 72 to 8760"):
        resolve(kept=parameters.ASKED, StreamRetentionHours=value)


OF_FUNCTIONS = Templates.read(ROOT).function_parameters()
CAMPAIGNS = [variable for variable in OF_FUNCTIONS if "CAMPAIGN" in variable]


def test_every_campaign_is_a_parameter_that_only_the_first_is_asked_for():
    assert {OF_FUNCTIONS[variable] for variable in CAMPAIGNS} - {*parameters.ASKED} == {
        "OtherCampaignArns",
        "RankingCampaignArn",
        "ActionCampaignArn",
        "FallbackCampaignArn",
    }


@pytest.mark.parametrize("variable", CAMPAIGNS)
def test_a_campaign_elsewhere_is_refused_with_the_option_that_helps(variable):
    check = parameters.check_variables
    check({variable: ARN}, OF_FUNCTIONS, "eu-west-1")
    with pytest.raises(InputError, match=r"The campaign shop is in eu-west-1.* add --region eu-west-1"):
        check({variable: ARN}, OF_FUNCTIONS, "us-east-1")


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        (
            {"CAMPAIGN_ARN": ARN, "OTHER_CAMPAIGN_ARNS": ARN},
            "Two campaigns have the name 'shop', by which a request chooses one. Remove one from "
            "OTHER_CAMPAIGN_ARNS. Give --parameter OtherCampaignArns=...",
        ),
        (
            {"OTHER_CAMPAIGN_ARNS": ",".join(f"{ARN}-{number}" for number in range(10, 78))},
            "The variables of a function take 4,105 bytes, and Lambda takes 4,096. The longest is "
            "OTHER_CAMPAIGN_ARNS: shorten it. Give --parameter OtherCampaignArns=...",
        ),
    ],
)
def test_what_the_functions_or_lambda_would_refuse_is_refused_before(variables, sentence):
    with pytest.raises(InputError) as refused:
        parameters.check_variables(variables, OF_FUNCTIONS, "eu-west-1")
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OtherCampaignArns", f"{ARN},{ARN.replace('campaign/', 'recommender/')}"),
        ("OtherCampaignArns", ARN),
        ("OtherCampaignArns", ""),
        ("RankingCampaignArn", ARN),
        ("RankingCampaignArn", ""),
        ("ActionCampaignArn", ""),
    ],
)
def test_an_optional_campaign_may_be_given_and_taken_away(name, value):
    assert resolve(kept=parameters.ASKED, **{name: value})[0] == {name: value}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        # What IAM would refuse in a policy, after the plan was accepted.
        ("OtherCampaignArns", f"{ARN}, {ARN}"),
        ("OtherCampaignArns", f"{ARN},"),
        ("OtherCampaignArns", f",{ARN}"),
        ("OtherCampaignArns", f"{ARN},,{ARN}"),
        ("OtherCampaignArns", "*"),
        ("OtherCampaignArns", ARN.replace("shop", "*")),
        ("OtherCampaignArns", "shop"),
        # What would be a right on every campaign.
        ("CampaignArn", ARN.replace("shop", "*")),
        ("RankingCampaignArn", ARN.replace("shop", "*")),
        ("RankingCampaignArn", f"{ARN},{ARN}"),
        ("RankingCampaignArn", ARN.replace("campaign/", "recommender/")),
        ("ActionCampaignArn", "none"),
    ],
)
def test_what_is_no_campaign_is_refused_in_the_words_of_the_template(name, value):
    with pytest.raises(InputError, match=rf"{name} is .*; it must (be empty or|look) .*arn:aws:personalize:"):
        resolve(kept=parameters.ASKED, **{name: value})


DECLARED: dict[str, dict[str, Any]] = {
    "CampaignArn": {"Type": "String", "Description": "ARN of the campaign."},
    "EventTrackerId": {"Type": "String"},
    "ShardCount": {"Type": "Number", "Default": 0},
}


def test_a_parameter_is_given_or_kept_or_left_to_its_default():
    assert parameters.for_change_set(
        DECLARED, {"CampaignArn": "arn"}, ["CampaignArn", "EventTrackerId", "Gone"]
    ) == [
        {"ParameterKey": "CampaignArn", "ParameterValue": "arn"},
        {"ParameterKey": "EventTrackerId", "UsePreviousValue": True},
    ]


def test_every_missing_parameter_is_named_with_its_option():
    with pytest.raises(InputError) as raised:
        parameters.for_change_set(DECLARED, {})
    assert str(raised.value) == (
        "A value is missing. Give --parameter CampaignArn=... (ARN of the campaign.) "
        "and --parameter EventTrackerId=... (required)"
    )


def test_an_unknown_parameter_is_named_beside_the_known_ones():
    with pytest.raises(
        InputError, match=r"no parameter Campaign\. It has: CampaignArn, EventTrackerId, Shard"
    ):
        parameters.for_change_set(DECLARED, {"Campaign": "arn"})


def test_parameters_may_hold_an_equals_sign():
    assert parameters.parse(["A=1", "B=x=y", "C="]) == {"A": "1", "B": "x=y", "C": ""}


@pytest.mark.parametrize("item", ["A", "=1"])
def test_a_parameter_without_name_or_value_is_refused(item):
    with pytest.raises(InputError, match="NAME=VALUE"):
        parameters.parse([item])
