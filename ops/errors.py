"""Why a command did not do what was asked. Each error is a sentence that says what to do.

OpsError                  root; every command ends with exit status 1 and the sentence on stderr
├── DeclinedError         the person said no to the plan, or could not be asked
├── InputError            a parameter, an option or a file that was given cannot be used
├── PackagingError        the application or its templates cannot be packaged
├── NotDeployedError      the stage is not deployed, or not whole
├── DeployedOtherwiseError  the stage is deployed in the other way
├── StackError            CloudFormation refused the change or rolled it back, or Chalice failed
└── AwsError              no access to AWS: credentials, region, network, permissions

What click does not understand of a command line (an unknown option) is click's own UsageError, with exit
status 2.
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


class OpsError(Exception):
    """A command did not do what was asked. The text is for the person at the terminal."""


class DeclinedError(OpsError):
    """The person at the terminal did not agree, or nobody could be asked.

    ``changed`` says what was changed before the question. Who has changed something before raises after().
    """

    def __init__(self, reason: str = "", changed: str = "Nothing was changed") -> None:
        super().__init__(f"{changed}: {reason}" if reason else f"{changed}.")
        self.reason = reason

    def after(self, changed: str) -> DeclinedError:
        """Return the error of a command that has changed something before it asked."""
        return DeclinedError(self.reason, changed)


class InputError(OpsError):
    """What was given to the command cannot be used."""


class PackagingError(OpsError):
    """The template or the zip could not be made."""


class NotDeployedError(OpsError):
    """What the command needs of the stage is not deployed."""


class DeployedOtherwiseError(OpsError):
    """The stage is deployed already, in the other way."""


class StackError(OpsError):
    """CloudFormation refused the change or rolled it back, or Chalice failed.

    ``remedy`` is what to do on AWS. For another stack than one on AWS, it would be done to the wrong one.
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(f"{reason} {remedy}" if remedy else reason)
        self.reason = reason


class AwsError(OpsError):
    """AWS could not be asked, or did not allow the call."""


SIGN_IN_CODES = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"}


@contextmanager
def readable_aws_errors() -> Iterator[None]:
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
    if code in SIGN_IN_CODES:
        return f"AWS does not accept these credentials ({code}). They may have expired: sign in again."
    if code in _DENIED:
        return f"These credentials may not call {error.operation_name}: {message or code}"
    return f"AWS refused {error.operation_name}: {message or code}"


def code_of(error: AwsError) -> str:
    """Return AWS's code for the error; empty when AWS did not respond."""
    cause = error.__cause__
    return cause.response["Error"].get("Code", "") if isinstance(cause, ClientError) else ""
