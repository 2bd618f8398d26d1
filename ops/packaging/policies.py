"""The policies of the one stack: the reviewed statements of ``.chalice/``, on the stack's resources. Pure.

``chalice deploy`` takes the files as they are, with resources named by prefix. The table ``Policies`` of
``one-stack.yaml`` says for each statement, by its ``Sid``, which resources of the stack it is about: a list
or ``*``, or a mapping of conditions to these. A condition makes a statement of its own, which is there where
the condition holds.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any

from ops.errors import PackagingError
from ops.packaging import merge

TABLE = "Policies"
"""Key of ``one-stack.yaml``. CloudFormation does not know it, so packaging removes it."""

ALWAYS = "Always"
"""Key beside the conditions of a statement: resources that depend on none."""


def policy_files(one_stack: Mapping[str, Any]) -> list[str]:
    """Return the names of the files in ``.chalice/`` that the table refers to."""
    return [str(entry["File"]) for entry in one_stack.get(TABLE, {}).values()]


def with_policies(one_stack: Mapping[str, Any], reviewed: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``one_stack`` with a policy for each role of its table, and without the table.

    ``reviewed`` has the policy documents by file name. Raises PackagingError for a ``Sid`` that is only in
    the table or only in the file, and for a condition that ``one_stack`` does not have.
    """
    conditions = one_stack.get("Conditions", {})
    roles = {
        role: {"Properties": {"Policies": [_policy(entry, reviewed[entry["File"]], conditions)]}}
        for role, entry in one_stack.get(TABLE, {}).items()
    }
    rest = {key: value for key, value in one_stack.items() if key != TABLE}
    return merge.join([{"Resources": roles}], onto=rest)


def _policy(
    entry: Mapping[str, Any], reviewed: Mapping[str, Any], conditions: Container[str]
) -> dict[str, Any]:
    file, resources = entry["File"], entry["Resources"]
    _check_sids(file, [statement.get("Sid") for statement in reviewed["Statement"]], resources)
    statements = [
        narrowed
        for statement in reviewed["Statement"]
        for narrowed in _narrowed(statement, resources[statement["Sid"]], conditions)
    ]
    return {"PolicyName": entry["PolicyName"], "PolicyDocument": {**reviewed, "Statement": statements}}


def _narrowed(statement: Mapping[str, Any], resources: Any, conditions: Container[str]) -> Iterator[Any]:
    if not isinstance(resources, Mapping):
        resources = {ALWAYS: resources}
    for condition, these in resources.items():
        if condition == ALWAYS:
            yield {**statement, "Resource": these}
            continue
        sid = statement["Sid"]
        if condition not in conditions:
            raise PackagingError(
                f"The Sid {sid} of the table {TABLE} has resources for the condition {condition}, which "
                "resources/one-stack.yaml does not have. Define the condition, or correct its name."
            )
        where = {**statement, "Sid": f"{sid}Where{condition}", "Resource": these}
        yield {"Fn::If": [condition, where, {"Ref": "AWS::NoValue"}]}


def _check_sids(file: str, sids: list[str | None], resources: Mapping[str, Any]) -> None:
    if None in sids:
        raise PackagingError(f"A statement of .chalice/{file} has no Sid. Give it one.")
    repeated = sorted({str(sid) for sid in sids if sids.count(sid) > 1})
    if repeated:
        raise PackagingError(f".chalice/{file} has two statements with the Sid {', '.join(repeated)}.")
    missing = sorted({str(sid) for sid in sids} - set(resources))
    if missing:
        raise PackagingError(
            f"The Sid {', '.join(missing)} is in .chalice/{file} and not in resources/one-stack.yaml. "
            f"Add its resources to the table {TABLE}."
        )
    unknown = sorted(set(resources) - {str(sid) for sid in sids})
    if unknown:
        raise PackagingError(
            f"The Sid {', '.join(unknown)} is in the table {TABLE} of resources/one-stack.yaml and not in "
            f".chalice/{file}. Add the statement to the file, or remove the line from the table."
        )
