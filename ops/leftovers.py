"""What a stage leaves that no stack has: uploaded code, and the API keys that rotate-key made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import boto3

from ops.api_keys import delete_keys, rotated_keys
from ops.cloudformation.artifacts import ArtifactBucket
from ops.errors import readable_aws_errors
from ops.locate import access_name, one_stack_name, pipeline_name


@dataclass(frozen=True)
class Leftovers:
    """Keys and uploads of the stacks ``names``, which may be gone already. ``uploads`` counts versions."""

    names: tuple[str, ...]
    keys: tuple[str, ...]
    artifacts: ArtifactBucket | None
    uploads: int

    @classmethod
    def find(cls, stage: str, stack_name: str | None, session: boto3.Session) -> Leftovers:
        """Return what there is. Reads only."""
        stage_names = (one_stack_name(stage), access_name(stage), pipeline_name(stage))
        names = (stack_name,) if stack_name else stage_names
        with readable_aws_errors():
            gateway = cast(Any, session).client("apigateway")
            keys = tuple(key for name in names for key in rotated_keys(gateway, name))
            artifacts = ArtifactBucket.find(session)
            return cls(names, keys, artifacts, artifacts.count(names) if artifacts else 0)

    def plan(self) -> Iterator[str]:
        """Yield what is removed, a line each. Pure."""
        if self.keys:
            yield f"  - API keys that rotate-key made: {', '.join(self.keys)}"
        if self.artifacts and self.uploads:
            yield (
                f"  - the uploaded code and templates ({self.uploads} versions) in the bucket "
                f"{self.artifacts.bucket}, which stays for other stages"
            )

    def remove(self, session: boto3.Session) -> None:
        """Delete keys and uploads."""
        with readable_aws_errors():
            delete_keys(cast(Any, session).client("apigateway"), self.keys)
            if self.artifacts and self.uploads:
                self.artifacts.delete(self.names)


def with_leftovers(plan: Sequence[str], leftovers: Leftovers) -> list[str]:
    """Return the plan of a removal with the leftovers between what is removed and what is lost. Pure."""
    removed = [line for line in plan if line.startswith("  - ")]
    return [*removed, *leftovers.plan(), *plan[len(removed) :]]
