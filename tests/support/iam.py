"""Whether a policy allows an action on a resource, by IAM's rules for wildcards. Conditions are not judged.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any


def statements_for(policy: Mapping[str, Any], action: str, resource: str) -> list[Mapping[str, Any]]:
    """Return the statements that allow the action on the resource."""
    return [
        statement
        for statement in policy["Statement"]
        if statement["Effect"] == "Allow"
        and any(matches(pattern.lower(), action.lower()) for pattern in listed(statement["Action"]))
        and any(matches(pattern, resource) for pattern in listed(statement["Resource"]))
    ]


def actions_of(policy: Mapping[str, Any]) -> Iterator[str]:
    """Yield the actions of a policy as they are written."""
    for statement in policy["Statement"]:
        yield from listed(statement["Action"])


def statements_of(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the condition and the statement of a template's policy document; the condition may be ''."""
    for statement in document["Statement"]:
        if "Fn::If" in statement:
            condition, guarded, none = statement["Fn::If"]
            assert none == {"Ref": "AWS::NoValue"}
            yield condition, guarded
        else:
            yield "", statement


def matches(pattern: str, text: str) -> bool:
    """Return whether a text matches a pattern with ``*`` and ``?``."""
    parts = (".*" if part == "*" else "." if part == "?" else re.escape(part) for part in pattern)
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


def listed(value: Any) -> list[Any]:
    """Return the value as a list: IAM takes a single one without brackets."""
    return value if isinstance(value, list) else [value]
