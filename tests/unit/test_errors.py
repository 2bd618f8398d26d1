"""The error tree: every error that botocore can raise has its place, and every error of ours its status."""

import inspect
from typing import Any

import botocore.exceptions
import botocore.session
import pytest
from botocore.exceptions import ClientError, ParamValidationError

from chalicelib import errors
from chalicelib.api import responses

NEVER_MET = (errors.ConfigError, errors.DeliveryIncompleteError, errors.PersonalizeApiError)


def client_error(code, message="said"):
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("InvalidInputException", errors.InvalidRequestError),
        ("ThrottlingException", errors.ThrottledError),
        ("ProvisionedThroughputExceededException", errors.ThrottledError),
        ("AccessDeniedException", errors.MisconfiguredError),
        ("ResourceNotFoundException", errors.MisconfiguredError),
        ("AWS.SimpleQueueService.NonExistentQueue", errors.MisconfiguredError),
        ("InternalServerException", errors.UnavailableError),
        ("ServiceUnavailable", errors.UnavailableError),
        ("503", errors.UnavailableError),
        ("", errors.UnavailableError),
        ("SomethingNew", errors.UnavailableError),
    ],
)
def test_a_code_of_the_service_becomes_our_error(code, expected):
    assert type(errors.from_botocore(client_error(code), "Personalize")) is expected


@pytest.mark.parametrize("service", ["personalize-runtime", "personalize-events", "kinesis", "sqs"])
def test_no_modelled_throttle_or_denial_is_taken_for_an_outage(service):
    model: Any = botocore.session.get_session().get_service_model(service)
    for shape in model.error_shapes:
        mapped = type(errors.from_botocore(client_error(shape.error_code), service))
        if any(word in shape.error_code for word in ("Throttl", "ThroughputExceeded")):
            assert mapped is errors.ThrottledError, shape.error_code
        if any(word in shape.error_code for word in ("AccessDenied", "NotFound", "NonExistent")):
            assert mapped is errors.MisconfiguredError, shape.error_code


def test_every_exception_of_botocore_is_mapped():
    for _, kind in inspect.getmembers(botocore.exceptions, inspect.isclass):
        if issubclass(kind, botocore.exceptions.BotoCoreError):
            error = kind.__new__(kind)
            expected = (
                errors.InvalidRequestError
                if issubclass(kind, ParamValidationError)
                else errors.UnavailableError
            )
            assert type(errors.from_botocore(error, "Personalize")) is expected


def test_no_arn_or_account_number_of_the_service_reaches_a_client():
    said = "No such thing: arn:aws:personalize:us-east-1:123456789012:campaign/x in account 123456789012."
    sentence = str(errors.from_botocore(client_error("InvalidInputException", said), "Personalize"))
    assert "123456789012" not in sentence
    assert "arn:" not in sentence
    assert "No such thing" in sentence


def test_every_error_that_a_request_can_meet_has_a_status():
    tree: list[type[errors.PersonalizeApiError]] = [
        errors.PersonalizeApiError,
        *errors.PersonalizeApiError.__subclasses__(),
    ]
    for kind in tree:
        if kind not in NEVER_MET:
            assert 400 <= responses.failure(kind("sentence")).status < 600
            assert responses.failure(kind("sentence")).status != 500


@pytest.mark.parametrize("kind", NEVER_MET)
def test_an_error_that_no_request_should_meet_is_500_and_tells_the_client_nothing(kind):
    response = responses.failure(kind("EVENTS_BUCKET_NAME is not set."))
    assert (response.status, response.body["Code"]) == (500, "InternalServerError")
    assert "EVENTS_BUCKET_NAME" not in response.body["Message"]


def test_the_tree_is_drawn_whole_in_its_docstring():
    for kind in errors.PersonalizeApiError.__subclasses__():
        assert kind.__name__ in (errors.__doc__ or "")
        assert kind.__name__ in errors.__all__


@pytest.mark.parametrize("status", [429, 503])
def test_what_may_be_tried_again_says_when(status):
    kind = {429: errors.ThrottledError, 503: errors.UnavailableError}[status]
    response = responses.failure(kind("sentence"))
    assert response.status == status
    assert int(response.headers["Retry-After"]) > 0
