"""The emulator's folders before it starts: what cannot be used is named, and the printed line helps."""

import json
import shlex
import subprocess

import pytest

from local.emulator import ACCOUNT, prepare_folders
from local.state import unusable

BUCKETS = {"__scoped__": True, "data": {f"{ACCOUNT}\0'archive'": {}}}
SAVED = json.dumps({"__ministack_format__": 2, "payload": {"buckets_meta": BUCKETS}})


@pytest.mark.parametrize(
    ("name", "is_folder"),
    [
        ("emulator", False),
        ("emulator/state", False),
        ("emulator/s3", False),
        (f"emulator/s3/{ACCOUNT}", False),
        ("emulator/tmp", False),
        ("emulator/archive-spool", False),
        ("emulator/archive-compaction", False),
        ("emulator/archive-compaction/plan.json", True),
        ("emulator/archive-compaction/content", True),
        ("emulator/state/kinesis.json.tmp", True),
        (f"emulator/s3/{ACCOUNT}/archive", False),
    ],
)
def test_what_is_in_the_place_of_something_else_is_named_and_can_be_moved(tmp_path, name, is_folder):
    wrong = tmp_path / name
    wrong.parent.mkdir(parents=True, exist_ok=True)
    if "/s3/" in name:
        (tmp_path / "emulator" / "state").mkdir()
        (tmp_path / "emulator" / "state" / "s3.json").write_text(SAVED)
    if is_folder:
        wrong.mkdir()
    else:
        wrong.touch()
    with pytest.raises(OSError, match=wrong.name) as raised:
        prepare_folders(tmp_path / "emulator")
    command = shlex.split(str(unusable(raised.value, tmp_path)).rpartition(": ")[2])
    assert command == ["mv", str(wrong), f"{wrong}.away"]
    subprocess.run(command, check=True)
    prepare_folders(tmp_path / "emulator")


def test_what_an_interrupted_save_has_left_is_removed(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    for name in ("kinesis.json", "kinesis.json.tmp"):
        (state / name).touch()
    prepare_folders(tmp_path)
    assert [path.name for path in state.iterdir()] == ["kinesis.json"]
