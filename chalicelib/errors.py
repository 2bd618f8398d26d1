"""The error tree. It knows neither HTTP nor Chalice: api.responses maps it to statuses, delivery to outcomes.

    PersonalizeApiError
    ├── ConfigError               a setting is missing or malformed (at start, or where it is needed)
    ├── InvalidRequestError       the caller's input, or what Personalize says of it; permanent
    ├── NotFoundError             the caller's input names a campaign or a filter that does not exist
    ├── ThrottledError            an AWS service asks us to slow down; try again
    ├── MisconfiguredError        the deployment: resource missing, access denied; try again once repaired
    ├── UnavailableError          an AWS service is failing or out of reach; try again
    └── DeliveryIncompleteError   part of a Kinesis batch has to be delivered again

Only InvalidRequestError and NotFoundError are the fault of the input. Everything else may be tried again.
"""

from __future__ import annotations

import re

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

__all__ = [
    "AwsError",
    "ConfigError",
    "DeliveryIncompleteError",
    "InvalidRequestError",
    "MisconfiguredError",
    "NotFoundError",
    "PersonalizeApiError",
    "ThrottledError",
    "UnavailableError",
    "from_botocore",
]

AwsError = (ClientError, BotoCoreError)
"""What a call of an AWS client can raise: the service's own response, or the failure to get one."""


class PersonalizeApiError(Exception):
    """Root of the tree. ``str()`` is a sentence that a client may read: no ARN, no account number."""


class ConfigError(PersonalizeApiError):
    """An environment variable is missing or malformed. The sentence names it."""


class InvalidRequestError(PersonalizeApiError):
    """The input breaks the contract or a limit of Personalize. The sentence names the field.

    ``field`` is its path, such as ``Event.itemId``. It is None for the whole body, and where a service
    refused the input.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field

    @classmethod
    def of(cls, field: str | None, problem: str) -> InvalidRequestError:
        """Return the error whose sentence is the field, or "The body", and then the problem."""
        return cls(f"{field or 'The body'} {problem}", field=field)


class NotFoundError(PersonalizeApiError):
    """There is no campaign or filter of the name that the request has."""


class ThrottledError(PersonalizeApiError):
    """A service throttled the call."""


class MisconfiguredError(PersonalizeApiError):
    """The deployment is wrong: a resource does not exist or access to it is denied."""


class UnavailableError(PersonalizeApiError):
    """A service is failing or unreachable."""


class DeliveryIncompleteError(PersonalizeApiError):
    """Some records of a Kinesis batch were not delivered. Lambda has to send the batch again."""


# Neither botocore nor the services' models list these: throttling is not modelled at all for Personalize
# (API_RS_GetRecommendations lists InvalidInputException and ResourceNotFoundException only), and the rest
# are the errors common to all AWS services (docs.aws.amazon.com/general/latest/gr/CommonErrors).
_INVALID = frozenset(
    {
        "InvalidInputException",
        "InvalidArgumentException",
        "RequestEntityTooLargeException",
        "SerializationException",
        "ValidationError",
        "ValidationException",
    }
)
_THROTTLED = frozenset(
    {
        "ThrottlingException",
        "Throttling",
        "ThrottledException",
        "RequestThrottled",
        "TooManyRequestsException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "SlowDown",
        "429",
    }
)
_MISCONFIGURED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "MissingAuthenticationToken",
        "OptInRequired",
        "ResourceNotFoundException",
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "NoSuchBucket",
    }
)

# Kinesis and SQS spell the errors of the key behind them differently: KMSThrottlingException, KmsThrottled.
_KMS_THROTTLED = re.compile(r"kms\.?throttl", re.IGNORECASE)
_KMS = re.compile(r"kms", re.IGNORECASE)

_ARN = re.compile(r"arn:[a-z0-9-]+:\S*|\b\d{12}\b")


def from_botocore(error: ClientError | BotoCoreError, service: str) -> PersonalizeApiError:
    """Return the error of our tree for what a client raised.

    ``service`` names the service that was called, for the sentence. An unknown code becomes UnavailableError:
    the call is tried again then, so nothing is lost.
    """
    if isinstance(error, ParamValidationError):
        # botocore's report quotes the values. They belong to the caller's user, not into a log.
        return InvalidRequestError(f"{service}'s client refused the input before sending it.")
    if not isinstance(error, ClientError):
        return UnavailableError(f"{service} could not be reached. Try again.")
    code = str(error.response.get("Error", {}).get("Code", ""))
    if code in _INVALID:
        said = _ARN.sub("[hidden]", str(error.response.get("Error", {}).get("Message", ""))).strip()
        return InvalidRequestError(f"{service} refused the input: {said or 'no reason given'}")
    if code in _THROTTLED or _KMS_THROTTLED.match(code):
        return ThrottledError(f"{service} is throttling requests. Try again later.")
    if code in _MISCONFIGURED or _KMS.match(code):
        return MisconfiguredError(
            f"{service} refused this deployment ({code}): it is misconfigured. Contact its operator."
        )
    return UnavailableError(f"{service} is failing at the moment. Try again.")
