"""Whatever the contract of a read route accepts, botocore sends and the engine takes."""

import json

import botocore.session
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api import recommendations
from chalicelib.errors import InvalidRequestError
from local.personalize import CAMPAIGN_ARN
from local.personalize.requests import parse_recommendations

GET_RECOMMENDATIONS = (
    botocore.session.get_session()
    .get_service_model("personalize-runtime")
    .operation_model("GetRecommendations")
)
TEXT = st.text(min_size=1, max_size=20)
NUMBERS = st.integers(-1, 501) | st.sampled_from([5.0, 500.0, 0.5])
NAMES = st.text(st.sampled_from("aZ09_-é"), min_size=1, max_size=4)


@given(
    st.dictionaries(st.sampled_from(["userId", "sessionId", "itemId"]), TEXT | st.none()),
    st.fixed_dictionaries(
        {}, optional={"numResults": NUMBERS, "context": st.dictionaries(NAMES, TEXT, max_size=3) | st.none()}
    ),
)
def test_whatever_recommendations_accepts_the_engine_takes(subjects, options):
    try:
        arguments = recommendations.to_arguments({**subjects, **options}, CAMPAIGN_ARN)
    except InvalidRequestError:
        return
    report = ParamValidator().validate(arguments, GET_RECOMMENDATIONS.input_shape)
    assert not report.has_errors(), report.generate_report()
    serializer = create_serializer("rest-json", include_validation=False)
    sent = json.loads(serializer.serialize_to_request(arguments, GET_RECOMMENDATIONS)["body"])
    taken = parse_recommendations(sent)
    assert taken.user_id == (subjects.get("userId") or subjects.get("sessionId"))
    assert taken.item_id == subjects.get("itemId")
    assert taken.count == options.get("numResults", 25)
