"""The kinds of datasets: those of metadata that Personalize takes one by one, and the interactions. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ops.errors import InputError
from ops.terminal import printable_line

_MAX_PRINTED_CHARACTERS = 200


@dataclass(frozen=True)
class DatasetKind:
    """A kind of dataset, in the names of the import file and the control plane."""

    plural: str
    id_column: str
    dataset_type: str


@dataclass(frozen=True)
class Kind(DatasetKind):
    """A kind of record that is put one by one, and the call that does it.

    https://docs.aws.amazon.com/personalize/latest/dg/API_Operations_Amazon_Personalize_Events.html
    """

    method: str
    id_member: str
    max_properties_characters: int


KINDS = (
    Kind("items", "ITEM_ID", "ITEMS", "put_items", "itemId", 32_000),
    Kind("users", "USER_ID", "USERS", "put_users", "userId", 24_000),
    Kind("actions", "ACTION_ID", "ACTIONS", "put_actions", "actionId", 32_000),
)
INTERACTIONS = DatasetKind("interactions", "USER_ID", "INTERACTIONS")
"""They are imported in bulk, or go through the API."""


def kind_of(header: Collection[str]) -> Kind:
    """Return the kind of a file by its id column. Raises InputError for a file with none or several."""
    found = [kind for kind in KINDS if kind.id_column in header]
    if len(found) == 1:
        return found[0]
    names = _listed([kind.id_column for kind in found or KINDS])
    if found:
        raise InputError(
            f"The file has {names}: it is not clear what its rows are. A file of items, users or actions has "
            "one of these columns. Interactions go through the API, or through a dataset import job."
        )
    raise InputError(
        f"The file has no column {names.replace(' and ', ' or ')}. Its first line has to name the columns, "
        "in capitals as in the schema and with commas between them. "
        f"It is: {printable_line(','.join(header), max_characters=_MAX_PRINTED_CHARACTERS) or 'empty'}"
    )


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]])
