"""The parameters of the stacks: how they are given, whether a value is right, and where it comes from.

The command line comes first, then the stack, then an earlier answer, then a question. The rules for values
are those that the templates declare, so a wrong value is refused at once, in the words that CloudFormation
would use later. Pure, except for ``ask``, ``remember`` and ``report``, which the caller gives.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from ops import function_variables
from ops.errors import DeclinedError, InputError
from ops.packaging.merge import Document

ASKED = ("CampaignArn", "EventTrackerId", "EventsBucketName", "NotificationEmail")
"""What only the owner of the account knows, in the order of asking. Everything else has a default."""

Ask = Callable[[str], str]


def parse(given: Sequence[str]) -> dict[str, str]:
    """Return ``["NAME=VALUE", ...]`` as a mapping. A value may contain ``=``. Raises InputError."""
    malformed = [item for item in given if "=" not in item[1:]]
    if malformed:
        raise InputError(f"--parameter takes NAME=VALUE; {malformed[0]!r} has no '='.")
    return dict(item.split("=", 1) for item in given)


def resolve(
    definitions: Mapping[str, Document],
    given: Mapping[str, str],
    *,
    kept: Collection[str],
    remembered: Mapping[str, str],
    ask: Ask | None,
    remember: Callable[[Mapping[str, str]], None],
    report: Callable[[str], None],
) -> dict[str, str]:
    """Return the values to deploy with. Those in ``kept`` are left out unless given: the stack has them.

    ``ask`` is None where nobody can be asked. ``remember`` gets each answer at once, so that an interruption
    loses none. A value of the command line is not remembered: the stack keeps it. Raises InputError that
    names every missing option, or what is wrong with a value.
    """
    _check_names(
        definitions, given, f"There is no parameter {{}}. There are: {', '.join(sorted(definitions))}."
    )
    for name, value in given.items():
        check_value(name, value, definitions[name])
    values = dict(given)
    for name in _open_questions(definitions, values, kept):
        if name in remembered and _is_valid(name, remembered[name], definitions[name]):
            values[name] = remembered[name]
            report(f"{name}: {values[name] or 'none'} (as answered before)")
        elif ask is not None:
            values[name] = _ask_until_valid(name, definitions[name], ask, report)
            remember({name: values[name]})
    open_questions = _open_questions(definitions, values, kept)
    _check_complete(
        {name: definitions[name] for name in open_questions if "Default" not in definitions[name]}
    )
    return values


def for_change_set(
    definitions: Mapping[str, Document], given: Mapping[str, str], previous: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Return the Parameters of a change set: the given value, else the stack's, else the default.

    ``previous`` are the names that the stack has values for. Raises InputError that names the parameters
    that are unknown, or that have no value.
    """
    _check_names(
        definitions, given, f"The stack has no parameter {{}}. It has: {', '.join(sorted(definitions))}."
    )
    parameters: list[dict[str, Any]] = []
    missing: dict[str, Document] = {}
    for name, definition in sorted(definitions.items()):
        if name in given:
            check_value(name, given[name], definition)
            parameters.append({"ParameterKey": name, "ParameterValue": given[name]})
        elif name in previous:
            parameters.append({"ParameterKey": name, "UsePreviousValue": True})
        elif "Default" not in definition:
            missing[name] = definition
    _check_complete(missing)
    return parameters


def check_value(name: str, value: str, definition: Document) -> None:
    """Raise InputError, in the template's own words, for a value that the parameter does not take."""
    allowed = definition.get("AllowedValues")
    if allowed and value not in allowed:
        raise InputError(f"{name} is {value!r}; it takes {' or '.join(allowed)}.")
    pattern = definition.get("AllowedPattern")
    if pattern and not re.fullmatch(pattern, value):
        expected = definition.get("ConstraintDescription", f"must match {pattern}")
        raise InputError(f"{name} is {value!r}; it {expected}.")
    if definition.get("Type") == "Number":
        _check_number(name, value, definition.get("MinValue"), definition.get("MaxValue"))


def check_variables(variables: Mapping[str, str], parameters: Mapping[str, str], region: str) -> None:
    """Raise InputError for variables that the functions or Lambda would refuse, and for a campaign elsewhere.

    The functions call Personalize in their own region. ``parameters`` are the names of the parameters by
    variable.
    """
    problem = function_variables.problem(variables)
    if problem:
        named = [parameters[word] for word in re.findall(r"[A-Z_]+", problem) if word in parameters]
        raise InputError(" ".join([problem, *(f"Give --parameter {name}=..." for name in named)]))
    for _, arn in function_variables.campaigns(variables):
        campaign_region = arn.split(":")[3]
        if campaign_region != region:
            raise InputError(
                f"The campaign {arn.rpartition('/')[2]} is in {campaign_region}, and this would deploy to "
                f"{region}. They have to be the same: add --region {campaign_region}, or name a campaign of "
                f"{region}."
            )


def check_bucket_name(name: str) -> None:
    """Raise InputError for a bucket that the policies of ``chalice deploy`` do not cover."""
    if name and not name.startswith("personalize-api-"):
        raise InputError(
            f"EventsBucketName is {name!r}; with 'chalice deploy' it must begin with personalize-api-, "
            "because the policies in .chalice/ name the bucket by that prefix. The one stack takes any name."
        )


def _check_number(name: str, value: str, least: int | None, most: int | None) -> None:
    bounds = f" from {least}" * (least is not None) + f" to {most}" * (most is not None)
    if not re.fullmatch(r"[0-9]+", value) or not (least or 0) <= int(value) <= (most or int(value)):
        raise InputError(f"{name} is {value!r}; it must be a number{bounds}.")


def _check_names(definitions: Collection[str], given: Collection[str], sentence: str) -> None:
    unknown = sorted(set(given) - set(definitions))
    if unknown:
        raise InputError(sentence.format(", ".join(unknown)))


def _check_complete(missing: Mapping[str, Document]) -> None:
    options = [
        f"--parameter {name}=... ({definition.get('Description', 'required')})"
        for name, definition in missing.items()
    ]
    if options:
        raise InputError("A value is missing. Give " + " and ".join(options))


def _open_questions(
    definitions: Collection[str], values: Collection[str], kept: Collection[str]
) -> list[str]:
    return [name for name in ASKED if name in definitions and name not in values and name not in kept]


def _ask_until_valid(name: str, definition: Document, ask: Ask, report: Callable[[str], None]) -> str:
    report(f"\n{definition.get('Description', name)}")
    while True:
        try:
            answer = ask(f"{name}{' [none]' if 'Default' in definition else ''}: ").strip()
        except EOFError as error:
            raise DeclinedError("the question was not answered.") from error
        try:
            check_value(name, answer, definition)
        except InputError as error:
            report(str(error))
        else:
            return answer


def _is_valid(name: str, value: str, definition: Document) -> bool:
    try:
        check_value(name, value, definition)
    except InputError:
        return False
    return True
