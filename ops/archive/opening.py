"""Which engine runs the queries of a stage."""

from __future__ import annotations

import boto3

from ops import local_stage
from ops.archive.athena import Athena
from ops.archive.engine import QueryEngine
from ops.locate import Deployment


def open_engine(deployment: Deployment, session: boto3.Session) -> QueryEngine:
    """Return Athena for a stage on AWS, and DuckDB for the stage ``local``."""
    if deployment.stage != local_stage.STAGE:
        return Athena.of(deployment, session)
    # DuckDB and sqlglot are loaded for this stage only.
    from ops.archive.local_engine import LocalEngine  # noqa: PLC0415

    return LocalEngine.of(deployment, session)
