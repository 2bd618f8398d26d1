"""The throttles of the API's stage: the patch of the stepwise flow, and what is refused beforehand."""

from typing import cast

import boto3
import pytest
from botocore.stub import Stubber

from ops.access import OF_PIPELINE, throttle_api_stage
from ops.errors import InputError
from ops.packaging import throttles
from ops.packaging.bundle import ROOT
from ops.packaging.templates import ACCESS_PARAMETERS, Templates
from ops.stage import ChaliceRecord

ACCESS = Templates.read(ROOT).access
CARRIED = {
    "RestAPI",
    "RestAPIapiStage",
    "APIHandler",
    "DeliverEvents",
    *OF_PIPELINE,
    "ArchiveStoppedAlarm",
    "QueryWorkGroup",
    "Emulated",
    "ApiName",
    "ServiceName",
    "AllowedOrigin",
}
"""Parameters of access.yaml with what the deployment made. An operator gives none of them."""


def test_every_other_parameter_of_the_access_template_can_be_given():
    assert set(ACCESS["Parameters"]) - CARRIED == set(ACCESS_PARAMETERS)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"ThrottleRateLimit": "250"},
            "StageThrottleRateLimit is 100, and the usage plans allow 280 together. "
            "Give --parameter StageThrottleRateLimit=280 or more.",
        ),
        ({"PartnerThrottleBurstLimit": "500"}, "--parameter StageThrottleBurstLimit=640 or more."),
        ({"StageThrottleRateLimit": "79"}, "the usage plans allow 80 together"),
        ({"PreflightThrottleRateLimit": "101"}, "give --parameter PreflightThrottleRateLimit=100 or less."),
    ],
)
def test_a_stage_below_the_sum_of_its_plans_is_refused_with_the_value_to_give(values, sentence):
    with pytest.raises(InputError) as refused:
        throttles.check_stage_throttle(ACCESS, values)
    assert sentence in str(refused.value)


@pytest.mark.parametrize("values", [{}, {"ThrottleRateLimit": "250", "StageThrottleRateLimit": "280"}])
def test_a_stage_with_room_for_its_plans_is_accepted(values):
    throttles.check_stage_throttle(ACCESS, values)


def test_after_chalice_deploy_the_stage_is_patched_for_every_method_and_for_each_preflight():
    """Against botocore's model of UpdateStage: paths, and values as text."""
    session = boto3.Session("test", "test", region_name="us-east-1")
    gateway = session.client("apigateway")
    expected = [
        {"op": "replace", "path": f"{path}/throttling/{limit}", "value": value}
        for path, rate, burst in (
            ("/*/*", "280", "200"),
            ("/~1history/OPTIONS", "20", "40"),
            ("/~1recommendations/OPTIONS", "20", "40"),
        )
        for limit, value in (("rateLimit", rate), ("burstLimit", burst))
    ]
    items = [
        {"id": "r", "path": "/"},
        {"id": "a", "path": "/recommendations", "resourceMethods": {"POST": {}, "OPTIONS": {}}},
        {"id": "b", "path": "/history", "resourceMethods": {"OPTIONS": {}, "POST": {}}},
        {"id": "c", "path": "/health", "resourceMethods": {"GET": {}}},
    ]
    values = throttles.effective_values(ACCESS, {"StageThrottleRateLimit": "280"})
    made = ChaliceRecord("api1", "handler", "api", "deliver", "uuid", ())
    with Stubber(gateway) as stub:
        stub.add_response("get_resources", {"items": items}, {"restApiId": "api1"})
        stub.add_response(
            "update_stage", {}, {"restApiId": "api1", "stageName": "api", "patchOperations": expected}
        )
        throttle_api_stage(cast(boto3.Session, _SessionOf(gateway)), made, values)
        stub.assert_no_pending_responses()


class _SessionOf:
    """A session that has one client."""

    def __init__(self, client):
        self._client = client

    def client(self, name):
        assert name == "apigateway"
        return self._client
