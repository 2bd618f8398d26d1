"""The queries of ops/archive/queries/ as saved queries of Athena: its console offers them. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ops.archive.saved_queries import SavedQuery
from ops.packaging.merge import Document

MAX_DESCRIPTION_CHARACTERS = 1024
"""API_CreateNamedQuery."""


def added(pipeline: Document, queries: Iterable[SavedQuery]) -> Document:
    """Return pipeline.yaml with the queries in its workgroup."""
    made = {_logical_id(query.name): _resource(query) for query in queries}
    return pipeline | {"Resources": pipeline["Resources"] | made}


def _logical_id(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("-")) + "Query"


def _resource(query: SavedQuery) -> Document:
    return {
        "Type": "AWS::Athena::NamedQuery",
        # The emulator refuses a template with one.
        "Condition": "OnAws",
        "Properties": {
            "Name": query.name,
            "Description": query.question[:MAX_DESCRIPTION_CHARACTERS],
            "Database": {"Ref": "EventsDatabase"},
            "WorkGroup": {"Ref": "QueryWorkGroup"},
            "QueryString": query.sql,
        },
    }
