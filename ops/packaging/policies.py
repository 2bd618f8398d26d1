"""The policies of the one stack: the reviewed statements of ``.chalice/``, on the stack's resources. Pure.

``chalice deploy`` takes the files as they are, with resources named by prefix. The table ``Policies`` of
``one-stack.yaml`` says for each statement, by its ``Sid``, which resources of the stack it is about.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ops.errors import PackagingError
from ops.packaging import merge

TABLE = "Policies"
"""Key of ``one-stack.yaml``. CloudFormation does not know it, so packaging removes it."""


def policy_files(one_stack: Mapping[str, Any]) -> list[str]:
    """Return the names of the files in ``.chalice/`` that the table refers to."""
    return [str(entry["File"]) for entry in one_stack.get(TABLE, {}).values()]


def with_policies(one_stack: Mapping[str, Any], reviewed: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``one_stack`` with a policy for each role of its table, and without the table.

    ``reviewed`` has the policy documents by file name. Raises PackagingError for a ``Sid`` that is only in
    the table or only in the file.
    """
    roles = {
        role: {"Properties": {"Policies": [_policy(entry, reviewed[entry["File"]])]}}
        for role, entry in one_stack.get(TABLE, {}).items()
    }
    rest = {key: value for key, value in one_stack.items() if key != TABLE}
    return merge.join([{"Resources": roles}], onto=rest)


def _policy(entry: Mapping[str, Any], reviewed: Mapping[str, Any]) -> dict[str, Any]:
    file, resources = entry["File"], entry["Resources"]
    _check_sids(file, [statement.get("Sid") for statement in reviewed["Statement"]], resources)
    statements = [
        {**statement, "Resource": resources[statement["Sid"]]} for statement in reviewed["Statement"]
    ]
    return {"PolicyName": entry["PolicyName"], "PolicyDocument": {**reviewed, "Statement": statements}}


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
