"""Every error that the engine raises on purpose.

    Exception
    ├── ServiceError                 becomes a response, as on the service
    │   ├── InvalidInputError        400 InvalidInputException
    │   ├── SerializationError       400 SerializationException
    │   ├── ThrottlingError          400 ThrottlingException
    │   ├── AccessDeniedError        403 AccessDeniedException
    │   ├── ResourceNotFoundError    404 ResourceNotFoundException
    │   ├── UnknownOperationError    404 UnknownOperationException
    │   ├── RequestTooLargeError     413 RequestEntityTooLargeException
    │   ├── InternalError            500 InternalFailure
    │   └── UnavailableError         503 ServiceUnavailable
    ├── FaultSettingError            a setting of the faults is invalid
    └── StartError                   the engine cannot start
        └── ImportFileError          a file of the import folder cannot be used

Only InvalidInputException and ResourceNotFoundException are in the service's model. The other names and
statuses are those of https://docs.aws.amazon.com/personalize/latest/dg/CommonErrors.html. Throttling is a 400
there: botocore recognises it by its code and tries again.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class ServiceError(Exception):
    """An error as the service sends it: a code, a status and a message."""

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
    """A setting of the faults is invalid. The message names the key and what it must be."""


class StartError(Exception):
    """The engine cannot start. The message is one sentence: what is wrong and what to do."""


class ImportFileError(StartError):
    """A file of the import folder cannot be used. The message names the file, the line and the remedy."""

    def __init__(self, path: Path, problem: str, remedy: str, line: int | None = None) -> None:
        where = f"{path}, line {line}" if line is not None else str(path)
        super().__init__(f"{where}: {problem}; {remedy}.")
