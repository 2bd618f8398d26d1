"""How the options of a command say which stage is meant, and what that stage is when it is looked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import boto3

    from ops.locate import Deployment
    from ops.stage import Stage


@dataclass(frozen=True)
class Reached:
    """A deployment of a stage, and a session that reaches it."""

    stage: Stage
    session: boto3.Session
    deployment: Deployment

    @property
    def is_local(self) -> bool:
        """Whether the emulator of ``make run`` plays AWS."""
        from ops import local_stage  # noqa: PLC0415 - see Target

        return self.stage.name == local_stage.STAGE


@dataclass(frozen=True)
class Target:
    """A stage by its name, and the options that say how it is reached.

    It is made for every command, also for one that does not talk to AWS: boto3 is loaded by ``open``.
    """

    stage_name: str
    stack_name: str | None
    profile: str | None
    region: str | None

    def open(self, *, is_whole: bool = False) -> Reached:
        """Return the deployment. Raises NotDeployedError for none, or with ``is_whole`` for a part of one."""
        from ops.locate import locate, locate_whole  # noqa: PLC0415
        from ops.packaging.bundle import ROOT  # noqa: PLC0415
        from ops.sessions import open_session  # noqa: PLC0415
        from ops.stage import Stage  # noqa: PLC0415

        stage = Stage(ROOT, self.stage_name)
        session = open_session(stage, profile=self.profile, region=self.region, stack_name=self.stack_name)
        find = locate_whole if is_whole else locate
        return Reached(stage, session, find(stage, session, self.stack_name))
