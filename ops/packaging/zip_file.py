"""The zip of the functions, made again so that equal content gives an equal file."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ops.errors import PackagingError

COMPILED = (".so", ".pyd", ".dylib", ".pyc")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_zip(source: Path, target: Path) -> None:
    """Write the zip ``source`` to ``target`` with sorted names and one date.

    Raises PackagingError for a compiled file: the zip is built on any system and runs on both architectures.
    """
    with (
        zipfile.ZipFile(source) as found,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as written,
    ):
        for name in sorted(set(found.namelist())):
            if name.endswith("/"):
                continue
            if name.endswith(COMPILED):
                raise PackagingError(f"The package holds {name}. requirements.txt takes pure Python only.")
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            written.writestr(entry, found.read(name))
