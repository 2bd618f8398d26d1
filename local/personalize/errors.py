"""Every error the engine raises on purpose.

    Exception
    ├── ServiceError                 answered on the wire, as the service would
    │   ├── InvalidInputError        400 InvalidInputException
    │   ├── SerializationError       400 SerializationException
    │   ├── ThrottlingError          400 ThrottlingException
    │   ├── AccessDeniedError        403 AccessDeniedException
    │   ├── ResourceNotFoundError    404 ResourceNotFoundException
    │   ├── UnknownOperationError    404 UnknownOperationException
    │   ├── RequestTooLargeError     413 RequestEntityTooLargeException
    │   ├── InternalError            500 InternalFailure
    │   └── UnavailableError         503 ServiceUnavailable
    ├── FaultSettingError            a fault that cannot be switched on as asked
    └── StartError                   the engine cannot start; one sentence for a person
        └── ImportFileError          a file of the import folder cannot be used

Only InvalidInputException and ResourceNotFoundException are in the service's model. The other names and
statuses are those of https://docs.aws.amazon.com/personalize/latest/dg/CommonErrors.html; in particular
throttling is a 400, which botocore knows as retryable by its code.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class ServiceError(Exception):
    """An error as the service puts it on the wire: a code, a status and a message."""

    code: ClassVar[str]
    status: ClassVar[int]

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidInputError(ServiceError):
    code = "InvalidInputException"
    status = 400


class SerializationError(ServiceError):
    code = "SerializationException"
    status = 400


class ThrottlingError(ServiceError):
    code = "ThrottlingException"
    status = 400


class AccessDeniedError(ServiceError):
    code = "AccessDeniedException"
    status = 403


class ResourceNotFoundError(ServiceError):
    code = "ResourceNotFoundException"
    status = 404


class UnknownOperationError(ServiceError):
    code = "UnknownOperationException"
    status = 404


class RequestTooLargeError(ServiceError):
    code = "RequestEntityTooLargeException"
    status = 413


class InternalError(ServiceError):
    code = "InternalFailure"
    status = 500


class UnavailableError(ServiceError):
    code = "ServiceUnavailable"
    status = 503


class FaultSettingError(Exception):
    """The message names the key and says what was expected."""


class StartError(Exception):
    """The message is one sentence that says what is wrong and what to do about it."""


class ImportFileError(StartError):
    """Names the file, the line when there is one, and the remedy."""

    def __init__(self, path: Path, problem: str, remedy: str, line: int | None = None) -> None:
        where = f"{path}, line {line}" if line is not None else str(path)
        super().__init__(f"{where}: {problem}; {remedy}.")
