"""The archive of a running stack: an engine over it, and whether everything that was sent is there."""

from __future__ import annotations

from ops.archive.local_engine import LocalEngine
from ops.local_stage import LocalSession
from ops.locate import Deployment, Flow


def engine_of(running):
    """Return the engine that `make query STAGE=local` uses, over the bucket of a running stack."""
    session = LocalSession(running.stack.awsEndpointUrl)
    deployment = Deployment(
        session.region_name, "local", Flow.LOCAL, (), {"EventsBucket": running.stack.bucket}
    )
    return LocalEngine.of(deployment, session)


def archived_lines(running):
    """Return the lines of all objects under events/."""
    s3 = running.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=running.stack.bucket, Prefix="events/")
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    bodies = [s3.get_object(Bucket=running.stack.bucket, Key=key)["Body"].read() for key in keys]
    return [line for body in bodies for line in body.splitlines()]


def answer(engine, query, days, **values):
    """Run a saved query and return its rows as dictionaries of texts."""
    with engine.run(query.bind(days, values)) as result:
        names = [column.name for column in result.columns]
        return [dict(zip(names, row, strict=True)) for row in result.rows]
