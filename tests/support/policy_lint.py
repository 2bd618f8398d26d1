"""Hold the project's IAM policies against parliament: ``python -m tests.support.policy_lint``.

``make security`` runs it. parliament has an environment of its own, build/parliament, because it brings
another boto3 along. Its own list of accepted findings has no effect in 1.6.4, so the list stands here.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PARLIAMENT = ROOT / "build" / "parliament" / "bin" / "parliament"
POLICIES = (
    "resources/ci-role.json",
    "resources/ci-boundary.json",
    "resources/roles-boundary.json",
    ".chalice/policy-api-handler.json",
    ".chalice/policy-deliver-events.json",
)
ACCEPTED = {
    # Newer than the list of actions in parliament 1.6.4.
    ("UNKNOWN_ACTION", "resources/ci-role.json", "cloudformation:DescribeEvents"),
    ("UNKNOWN_ACTION", "resources/ci-role.json", "kinesis:TagResource"),
    ("UNKNOWN_ACTION", "resources/ci-role.json", "kinesis:UntagResource"),
    # The account of this ARN is the word "aws": AWS documents it for the right to use the SAM transform.
    (
        "INVALID_ARN",
        "resources/ci-role.json",
        "arn:aws:cloudformation:*:aws:transform/Serverless-2016-10-31",
    ),
    # A boundary grants nothing. It names the services, and ci-role.json the resources.
    ("RESOURCE_STAR", "resources/ci-boundary.json", ""),
}
"""What parliament finds and what stays as it is: issue, file, and the text that it found."""

CONTROL = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["s3:GetObjekt"], "Resource": "arn:aws:s3:::shop/*"},
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::shop"},
    ],
}
"""A policy with an action that does not exist, and with an action on a resource that it does not take."""

CONTROL_ISSUES = {"UNKNOWN_ACTION", "RESOURCE_MISMATCH"}

Issue = tuple[str, str, str]


def issues_of(paths: Iterable[str | Path]) -> set[Issue]:
    """Return what parliament finds in policies. Raises RuntimeError when parliament itself fails."""
    # With a terminal on stdin parliament would take a policy from there.
    ran = subprocess.run(
        [PARLIAMENT, "--json", "--files", ",".join(map(str, paths))],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
    )
    found = set(_parsed(ran.stdout))
    if ran.returncode != bool(found):
        raise RuntimeError(f"parliament failed: {ran.stderr}")
    return found


def control_issues() -> set[str]:
    """Return the kinds of issues that parliament finds in the faulty policy."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(json.dumps(CONTROL))
        file.flush()
        return {issue for issue, _, _ in issues_of([file.name])}


def main() -> int:
    """Print what is wrong, and return the exit status."""
    if control_issues() != CONTROL_ISSUES:
        print("parliament does not find the faults of the control policy: its other results mean nothing.")
        return 1
    found = issues_of(POLICIES)
    for issue in sorted(found - ACCEPTED):
        print("parliament:", *issue)
    for issue in sorted(ACCEPTED - found):
        print("parliament does not find this any more, remove it from ACCEPTED:", *issue)
    print(f"parliament: {len(POLICIES)} policies, {len(found ^ ACCEPTED)} problems")
    return int(found != ACCEPTED)


def _parsed(output: str) -> Iterator[Issue]:
    for line in output.splitlines():
        finding: dict[str, Any] = json.loads(line)
        location = finding["location"]
        yield finding["issue"], location.get("filepath", ""), location.get("string", "")


if __name__ == "__main__":
    sys.exit(main())
