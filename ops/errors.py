"""What can go wrong between a work tree and a running stack, each as a sentence that says what to do.

DeployError
├── PackagingError   the application or its templates
├── StackError       CloudFormation refused or rolled back
└── AwsError         credentials, region, network, permissions
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)


class DeployError(Exception):
    """A deployment did not happen. Its text is for the person at the terminal."""


class PackagingError(DeployError):
    """The template or the zip could not be made."""


class StackError(DeployError):
    """CloudFormation would not, or could not, make the change."""


class AwsError(DeployError):
    """AWS could not be asked."""


_SIGN_IN = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"}


@contextmanager
def in_sentences() -> Iterator[None]:
    """Turn every botocore error of the block into an AwsError."""
    try:
        yield
    except (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError) as error:
        raise AwsError(
            "No AWS credentials were found. Sign in ('aws sso login' or 'aws configure'), or name a profile "
            "with --profile."
        ) from error
    except ProfileNotFound as error:
        raise AwsError(f"{error}. 'aws configure list-profiles' shows those there are.") from error
    except NoRegionError as error:
        raise AwsError("No AWS region is set. Name it with --region, or set AWS_DEFAULT_REGION.") from error
    except (ConnectionError, HTTPClientError) as error:
        raise AwsError(
            f"AWS could not be reached: {error} Check the network and AWS_ENDPOINT_URL."
        ) from error
    except ClientError as error:
        raise AwsError(_refusal(error)) from error
    except BotoCoreError as error:
        raise AwsError(f"AWS could not be asked: {error}") from error
    except ValueError as error:
        # botocore has no type of its own for this one.
        if "Invalid endpoint" not in str(error):
            raise
        raise AwsError(f"{error}. AWS_ENDPOINT_URL takes a URL such as http://127.0.0.1:4566.") from error


def _refusal(error: ClientError) -> str:
    code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    if code in _SIGN_IN:
        return f"AWS does not accept these credentials ({code}). They may have expired: sign in again."
    if code in _DENIED:
        return f"These credentials may not call {error.operation_name}: {message or code}"
    return f"AWS refused {error.operation_name}: {message or code}"
