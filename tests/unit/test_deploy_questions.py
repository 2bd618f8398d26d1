"""Where the value of a parameter comes from, and what is said about one that has none or a wrong one."""

import pytest

from ops import parameters as questions
from ops import stepwise as flow
from ops.errors import StackError
from ops.packaging.bundle import ROOT

DEFINITIONS = flow.pipeline_parameters(ROOT)
ARN = "arn:aws:personalize:eu-west-1:111122223333:campaign/shop"


def settle(*answers, kept=(), remembered=None, asked=True, **given):
    """What is settled, and all that was said; ``answers`` are typed one after the other."""
    said, kept_answers, typed = [], {}, iter(answers)

    def ask(prompt):
        said.append(prompt)
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    values = questions.settle(
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
    values, said = settle(ARN, "tracker-1", "", "ops@shop.example")
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
    kept = [other for other in questions.ASKED if other != name]
    values, said = settle(wrong, right, kept=kept)
    assert values == {name: right}
    assert expected in said


def test_an_answer_given_before_is_not_asked_for_again():
    remembered = {"CampaignArn": ARN, "EventTrackerId": "t", "EventsBucketName": "", "NotificationEmail": ""}
    values, said = settle(remembered=remembered, asked=False)
    assert values == remembered
    assert f"CampaignArn: {ARN} (as answered before)" in said


def test_what_is_given_counts_more_than_what_is_remembered():
    values, _ = settle(kept=questions.ASKED, remembered={"CampaignArn": "x"}, CampaignArn=ARN)
    assert values == {"CampaignArn": ARN}


def test_a_remembered_answer_that_no_longer_fits_is_asked_for_again():
    kept = [name for name in questions.ASKED if name != "CampaignArn"]
    assert settle(ARN, kept=kept, remembered={"CampaignArn": "old form"})[0] == {"CampaignArn": ARN}


def test_where_nobody_can_be_asked_every_missing_option_is_named():
    with pytest.raises(StackError) as raised:
        settle(asked=False)
    assert str(raised.value).startswith("A value is missing. Give --parameter CampaignArn=...")
    assert "--parameter EventTrackerId=..." in str(raised.value)
    assert "EventsBucketName" not in str(raised.value)


def test_an_end_of_input_is_no_answer():
    with pytest.raises(StackError, match="the question was not answered"):
        settle()


@pytest.mark.parametrize("value", ["-1", "many", "71", "8761"])
def test_a_number_out_of_its_bounds_is_refused(value):
    with pytest.raises(StackError, match="it must be a number from 72 to 8760"):
        settle(kept=questions.ASKED, StreamRetentionHours=value)


def test_a_campaign_elsewhere_is_refused_with_the_option_that_helps():
    questions.check_region(ARN, "eu-west-1")
    with pytest.raises(StackError, match="add --region eu-west-1"):
        questions.check_region(ARN, "us-east-1")
