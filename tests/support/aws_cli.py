"""Calls of the AWS CLI as a shell makes them, held to botocore's models of the services.

The CLI makes its options of the same models: an option is a member of the operation's input, in kebab case
(docs.aws.amazon.com/cli/latest/userguide/cli-usage-parameters.html).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import jmespath
from botocore import xform_name
from botocore.model import OperationModel, Shape, StructureShape
from botocore.validate import ParamValidator

HIGH_LEVEL = {"s3": {"mb", "cp", "rb"}}
"""Commands of the CLI itself, which no model has."""
GLOBAL_OPTIONS = {"query", "output", "region", "profile"}


class WrongCallError(Exception):
    """A call that AWS would refuse, or that the CLI would not understand."""


def check(words: Sequence[str], folder: Path) -> None:
    """Raise WrongCallError for a wrong call. ``words`` come behind ``aws``, files are read in ``folder``."""
    service, command, *rest = words
    if service in HIGH_LEVEL:
        if command not in HIGH_LEVEL[service]:
            raise WrongCallError(f"aws {service} {command}")
        return
    operation = _operation(service, command)
    options = _options(operation, rest)
    given = {name: value for name, value in options.items() if name not in GLOBAL_OPTIONS}
    shape = operation.input_shape
    members = {xform_name(member, "-"): member for member in shape.members} if shape is not None else {}
    unknown = given.keys() - members.keys()
    if unknown:
        raise WrongCallError(f"{command} has no option {', '.join(sorted(unknown))}")
    if shape is not None:
        parameters = {
            members[name]: _value(shape.members[members[name]], value, folder)
            for name, value in given.items()
        }
        report = ParamValidator().validate(parameters, shape)
        if report.has_errors():
            raise WrongCallError(f"{command}: {report.generate_report()}")
    if "query" in options:
        _check_query(str(options["query"]), operation)


@cache
def _operations(service: str) -> Mapping[str, OperationModel]:
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name, "-"): model.operation_model(name) for name in model.operation_names}


def _operation(service: str, command: str) -> OperationModel:
    found = _operations({"s3api": "s3"}.get(service, service)).get(command)
    if found is None:
        raise WrongCallError(f"aws {service} has no command {command}")
    return found


def _options(operation: OperationModel, words: Sequence[str]) -> dict[str, str | bool]:
    """Return the options. One of a boolean has no value, and begins with ``no-`` when it is false."""
    shape = operation.input_shape
    members = {} if shape is None else {xform_name(name, "-"): each for name, each in shape.members.items()}
    options: dict[str, str | bool] = {}
    rest = [*words]
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            raise WrongCallError(f"{word} is no option")
        name = word.removeprefix("--")
        positive = name.removeprefix("no-")
        if positive in members and members[positive].type_name == "boolean":
            options[positive] = positive == name
        elif rest:
            options[name] = rest.pop(0)
        else:
            raise WrongCallError(f"{word} has no value")
    return options


def _value(shape: Shape, value: str | bool, folder: Path) -> Any:
    """Return a value as the CLI hands it to the service. A structure is NAME=VALUE,... or JSON."""
    if isinstance(value, bool):
        return value
    if value.startswith("file://"):
        text = (folder / value.removeprefix("file://")).read_text()
        json.loads(text)  # Each file of the document is a policy or a schema.
        return text
    if shape.type_name in {"integer", "long"}:
        return int(value)
    if isinstance(shape, StructureShape):
        pairs = dict(pair.split("=", 1) for pair in value.split(","))
        if pairs.keys() - shape.members.keys():
            raise WrongCallError(f"{shape.name} has no {', '.join(pairs)}")
        return {name: _value(shape.members[name], text, folder) for name, text in pairs.items()}
    if shape.type_name == "boolean":
        return {"true": True, "false": False}[value]
    allowed = getattr(shape, "enum", [])
    if allowed and value not in allowed:
        raise WrongCallError(f"{shape.name} is one of {', '.join(allowed)}")
    return value


def _check_query(query: str, operation: OperationModel) -> None:
    """Raise WrongCallError for a path that the response does not have, or for a query of a wrong form."""
    jmespath.compile(query)
    if not re.fullmatch(r"[\w.]+", query):
        return
    shape: Shape | None = operation.output_shape
    for name in query.split("."):
        if not isinstance(shape, StructureShape) or name not in shape.members:
            raise WrongCallError(f"the response of {operation.name} has no {query}")
        shape = shape.members[name]
