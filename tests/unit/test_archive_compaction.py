"""The small objects of the local archive become larger ones, and no line is lost or doubled."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from local.archive_compaction import MAX_SMALL_OBJECTS, SMALL_BYTES, compact
from local.state import StateError

ROOT = Path(__file__).parents[2]
DAY = "archive/events/dt=2026-11-25"

KILLED = 9
KILL_AT_STEP = """
import os, sys
from pathlib import Path
from local.archive_compaction import compact

steps = int(sys.argv[3])

def kill(event, _arguments):
    global steps
    if event in ("open", "os.remove", "os.rename"):
        if not steps:
            os._exit(9)
        steps -= 1

sys.addaudithook(kill)
compact(Path(sys.argv[1]), Path(sys.argv[2]), max_small_objects=1)
"""
"""Compacts, and ends like a killed process before the step with the number of the last argument."""


@pytest.fixture
def buckets(tmp_path):
    return tmp_path / "buckets"


@pytest.fixture
def work(tmp_path):
    return tmp_path / "work"


def line(number):
    return b'{"EventId": "%d"}\n' % number


def write(buckets, name, body, folder=DAY):
    path = buckets / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    path.with_name(f"{name}.meta.json").write_text(json.dumps({"size": len(body)}))


def objects(buckets):
    return {
        str(path.relative_to(buckets)): path.read_bytes()
        for path in sorted(buckets.rglob("*"))
        if path.is_file() and not path.name.endswith(".meta.json")
    }


def lines(buckets):
    return sorted(line for body in objects(buckets).values() for line in body.splitlines(keepends=True))


def test_many_small_objects_of_a_day_become_one_with_the_key_of_the_first(buckets, work):
    numbers = range(MAX_SMALL_OBJECTS + 1)
    for number in numbers:
        write(buckets, f"object-{number:03}", line(number))
    compact(buckets, work)
    assert objects(buckets) == {f"{DAY}/object-000": b"".join(map(line, numbers))}
    # MiniStack would believe a file that is left beside it about the object's size.
    assert not list(buckets.rglob("*.meta.json"))


def test_days_and_buckets_stay_apart(buckets, work):
    folders = [DAY, "archive/events/dt=2026-11-26", "other/events/dt=2026-11-25"]
    for folder in folders:
        for number in range(3):
            write(buckets, f"object-{number}", line(number), folder)
    compact(buckets, work, max_small_objects=1)
    assert objects(buckets) == {f"{folder}/object-0": line(0) + line(1) + line(2) for folder in folders}


def test_a_few_objects_a_large_one_and_what_is_no_event_stay_as_they_are(buckets, work):
    for number in range(MAX_SMALL_OBJECTS):
        write(buckets, f"object-{number:03}", line(number))
    write(buckets, "object-large", line(1) * SMALL_BYTES)
    for number in range(MAX_SMALL_OBJECTS + 1):
        write(buckets, f"object-{number:03}", line(number), "archive/quarantine/dt=2026-11-25")
    before = objects(buckets)
    compact(buckets, work)
    assert objects(buckets) == before


@pytest.mark.parametrize("other", [b"", b"\xf3\x89\x9a\xc2\x0a\x03abc", b'{"EventId": "no newline"}'])
def test_an_object_that_is_no_line_of_json_stays_alone(buckets, work, other):
    for number, body in enumerate([line(0), other, line(2)]):
        write(buckets, f"object-{number}", body)
    compact(buckets, work, max_small_objects=1)
    assert objects(buckets) == {f"{DAY}/object-0": line(0) + line(2), f"{DAY}/object-1": other}


def test_an_object_has_a_bound(buckets, work):
    for number in range(10):
        write(buckets, f"object-{number}", line(number))
    compact(buckets, work, max_small_objects=1, max_object_bytes=3 * len(line(0)))
    assert [len(body) // len(line(0)) for body in objects(buckets).values()] == [3, 3, 3, 1]
    assert lines(buckets) == [line(number) for number in range(10)]


@pytest.mark.slow
def test_an_interruption_at_any_step_loses_and_doubles_no_line(tmp_path):
    expected = [line(number) for number in range(3)]
    steps = 0
    while True:
        buckets, work = tmp_path / str(steps), tmp_path / f"work-{steps}"
        for number in range(3):
            write(buckets, f"object-{number}", line(number))
        command = [sys.executable, "-c", KILL_AT_STEP, buckets, work, str(steps)]
        status = subprocess.run(command, cwd=ROOT, check=False).returncode
        compact(buckets, work, max_small_objects=1)
        assert lines(buckets) == expected
        assert objects(buckets).keys() == {f"{DAY}/object-0"}
        assert not list(work.iterdir())
        if status != KILLED:
            break
        steps += 1
    assert status == 0
    assert steps > 10


DAMAGED_PLANS = [
    b"",
    b'["000',
    b"[]",
    b"{}",
    b"null",
    b"[1, 2]",
    b'["../outside", "a"]',
    b'["a", ""]',
    b'["a\\u0000"]',
    b"\0" * 9,
    b"\xff\xfe",
    b"[" * 100_000,
]


@pytest.mark.parametrize("plan", DAMAGED_PLANS, ids=lambda plan: repr(plan[:20]))
def test_a_damaged_plan_is_dropped_before_an_object_has_taken_its_place(buckets, work, plan):
    for number in range(3):
        write(buckets, f"object-{number}", line(number))
    work.mkdir()
    (work / "content").write_bytes(b"".join(map(line, range(3))))
    (work / "plan.json").write_bytes(plan)
    compact(buckets, work, max_small_objects=1)
    assert objects(buckets) == {f"{DAY}/object-0": line(0) + line(1) + line(2)}
    assert not list(work.iterdir())


@pytest.mark.parametrize("plan", DAMAGED_PLANS, ids=lambda plan: repr(plan[:20]))
def test_a_damaged_plan_is_named_after_an_object_has_taken_its_place(buckets, work, plan):
    write(buckets, "object-0", line(0) + line(1))
    write(buckets, "object-1", line(1))
    work.mkdir()
    (work / "plan.json").write_bytes(plan)
    with pytest.raises(StateError, match="twice") as raised:
        compact(buckets, work)
    command = str(raised.value).splitlines()[0].rpartition(": ")[2]
    assert shlex.split(command) == ["rm", str(work / "plan.json")]
    assert lines(buckets) == [line(0), line(1), line(1)]


def test_an_object_with_earlier_versions_stays_alone(buckets, work):
    for number in range(4):
        write(buckets, f"o{number}", line(number))
    kept = buckets.parent / ".versions" / buckets.name / "archive" / "version-1" / "events" / "dt=2026-11-25"
    kept.mkdir(parents=True)
    (kept / "o2").write_bytes(b"earlier")
    compact(buckets, work, max_small_objects=1)
    assert objects(buckets) == {f"{DAY}/o0": line(0) + line(1) + line(3), f"{DAY}/o2": line(2)}
