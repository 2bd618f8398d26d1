"""Whatever the contract of a read route accepts, botocore sends and the engine takes."""

import json
from typing import Any

import botocore.session
import pytest
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import contract
from chalicelib.api import action_recommendations, ranking, recommendations
from chalicelib.errors import InvalidRequestError
from local.personalize import CAMPAIGN_ARNS
from local.personalize.action_requests import parse_action_recommendations
from local.personalize.requests import parse_ranking, parse_recommendations

RUNTIME = botocore.session.get_session().get_service_model("personalize-runtime")
SERIALIZER = create_serializer("rest-json", include_validation=False)
TEXT = st.text(min_size=1, max_size=20)
NUMBERS = st.integers(-1, 501) | st.sampled_from([5.0, 500.0, 0.5, 50, 51, 100, 101])
NAMES = st.text(st.sampled_from("aZ09_-é"), min_size=1, max_size=4)
VALUES = (
    TEXT | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.lists(TEXT | st.integers())
)
FILTERS = {
    "filter": NAMES | st.just(CAMPAIGN_ARNS["local"].replace("campaign/local", "filter/new")),
    "filterValues": st.dictionaries(NAMES, VALUES, max_size=3) | st.none(),
}
SUBJECTS = {name: TEXT | st.none() for name in ("userId", "sessionId")}
METADATA = {"metadataColumns": st.none() | st.just({"ITEMS": ["GENRES"]})}
CONTEXT = {"context": st.dictionaries(NAMES, TEXT, max_size=3) | st.none()}
PROMOTION = st.fixed_dictionaries(
    {"name": NAMES, "percentPromotedItems": st.integers(0, 101), "filter": NAMES},
    optional={"filterValues": FILTERS["filterValues"]},
)
ROUTES: dict[str, tuple[Any, ...]] = {
    "recommendations": (
        recommendations, "GetRecommendations", parse_recommendations, CAMPAIGN_ARNS["local"],
        SUBJECTS | FILTERS | METADATA | CONTEXT
        | {"itemId": TEXT, "numResults": NUMBERS, "promotions": st.lists(PROMOTION, max_size=1)},
    ),
    "ranking": (
        ranking, "GetPersonalizedRanking", parse_ranking, CAMPAIGN_ARNS["ranking"],
        SUBJECTS | FILTERS | METADATA | CONTEXT | {"inputList": st.lists(TEXT, max_size=60)},
    ),
    "action-recommendations": (
        action_recommendations, "GetActionRecommendations", parse_action_recommendations,
        CAMPAIGN_ARNS["actions"], SUBJECTS | FILTERS | {"numResults": NUMBERS},
    ),
}  # fmt: skip


@pytest.mark.parametrize("schema", ROUTES)
@given(data=st.data())
def test_whatever_a_read_route_accepts_the_engine_takes(schema, data):
    module, operation, parse, campaign, fields = ROUTES[schema]
    body = data.draw(st.fixed_dictionaries({}, optional=fields))
    try:
        arguments = module.to_arguments(contract.read(schema, body), campaign)
    except InvalidRequestError:
        return
    model = RUNTIME.operation_model(operation)
    report = ParamValidator().validate(arguments, model.input_shape)
    assert not report.has_errors(), report.generate_report()
    sent = json.loads(SERIALIZER.serialize_to_request(arguments, model)["body"])
    assert parse(sent).user_id == (body.get("userId") or body.get("sessionId"))
