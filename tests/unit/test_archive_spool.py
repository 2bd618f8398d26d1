"""The archive of the local stack in few objects: no line is lost and none is doubled."""

import resource
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

from local.archive_spool import ArchiveSpool, restore
from tests.support.factories import aggregate

BUCKET = "archive"
DAY, NEXT_DAY = "events/dt=2026-11-25", "events/dt=2026-11-26"


class KilledError(BaseException):
    """The process ends here: nothing of it runs any more."""


class Buckets:
    """Buckets as MiniStack keeps them: a file for each object. ``kill`` ends a put before or after it."""

    def __init__(self, folder):
        self.folder = folder
        (folder / BUCKET).mkdir(parents=True)
        self.kill = None

    def put(self, bucket, key, body):
        if self.kill == "before":
            raise KilledError
        path = self.folder / bucket / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        if self.kill == "after":
            raise KilledError

    def objects(self):
        files = [path for path in (self.folder / BUCKET).rglob("*") if path.is_file()]
        return {str(path.relative_to(self.folder / BUCKET)): path.read_bytes() for path in sorted(files)}

    def lines(self):
        return sorted(line for body in self.objects().values() for line in body.splitlines(keepends=True))


@pytest.fixture
def buckets(tmp_path):
    return Buckets(tmp_path / "buckets")


@pytest.fixture
def spool(tmp_path, buckets):
    (tmp_path / "spool").mkdir()
    return ArchiveSpool(tmp_path / "spool", buckets.put)


def line(number):
    return b'{"EventId": "%d"}\n' % number


def test_records_of_a_prefix_become_one_object_with_the_key_of_the_first(spool, buckets):
    for number in range(3):
        spool.add(BUCKET, f"{DAY}/object-{number}", line(number))
    spool.add(BUCKET, f"{NEXT_DAY}/object-3", line(3))
    spool.flush()
    assert buckets.objects() == {
        f"{DAY}/object-0": line(0) + line(1) + line(2),
        f"{NEXT_DAY}/object-3": line(3),
    }


def test_what_comes_after_a_flush_is_another_object(spool, buckets):
    for number in range(2):
        spool.add(BUCKET, f"{DAY}/object-{number}", line(number))
        spool.flush()
    assert buckets.objects() == {f"{DAY}/object-{number}": line(number) for number in range(2)}


@pytest.mark.parametrize("other", [b"\xf3\x89\x9a\xc2\x0a\x03abc", b'{"EventId": "no newline"}', b"text\n"])
def test_a_record_that_is_no_line_of_json_spoils_no_other(spool, buckets, other):
    for number, body in enumerate([line(0), other, line(2)]):
        spool.add(BUCKET, f"{DAY}/object-{number}", body)
    spool.flush()
    assert buckets.objects() == {f"{DAY}/object-0": line(0) + line(2), f"{DAY}/object-1": other}


def test_an_aggregate_is_archived_as_the_records_in_it(spool, buckets):
    """As Firehose does it on AWS (streams/latest/dev/kpl-with-firehose.html)."""
    spool.add(BUCKET, f"{DAY}/object-0", aggregate(line(0), line(1) + line(2)))
    spool.add(BUCKET, f"{DAY}/object-1", line(3))
    spool.flush()
    assert buckets.objects() == {f"{DAY}/object-0": line(0) + line(1) + line(2) + line(3)}


@pytest.mark.parametrize("first", [0, 1])
def test_what_is_no_line_in_an_aggregate_spoils_no_other_and_is_not_lost(spool, buckets, first):
    inner = aggregate(line(8), line(9))
    records = [line(0), b"text", inner, line(1), b"more text"][first:]
    spool.add(BUCKET, f"{DAY}/object", aggregate(*records))
    spool.flush()
    assert sorted(buckets.objects().values()) == sorted(
        [b"".join(line(number) for number in range(first, 2)), b"text", inner, b"more text"]
    )
    assert spool.lost() == 0


def test_a_broken_aggregate_is_archived_as_it_is(spool, buckets):
    broken = aggregate(line(0), line(1))[:-1]
    spool.add(BUCKET, f"{DAY}/object", broken)
    spool.flush()
    assert buckets.objects() == {f"{DAY}/object": broken}


@pytest.mark.parametrize("killed", ["before the flush", "before", "after"])
def test_a_killed_process_loses_and_doubles_no_line(spool, buckets, tmp_path, killed):
    for number in range(4):
        spool.add(BUCKET, f"{DAY}/object-{number}", line(number))
    spool.add(BUCKET, f"{NEXT_DAY}/object-4", line(4))
    buckets.kill = killed
    if killed != "before the flush":
        with suppress(KilledError):
            spool.flush()
    for _ in range(2):  # the second start finds nothing to do
        restore(tmp_path / "spool", buckets.folder, {BUCKET})
        assert buckets.lines() == [line(number) for number in range(5)]
    assert not list((tmp_path / "spool").iterdir())


def test_what_cannot_be_put_is_put_later_and_kept_for_the_next_start(tmp_path, buckets):
    refusals = [RuntimeError("S3 responded with 503")] * 4

    def refuse_at_first(*arguments):
        if refusals:
            raise refusals.pop()
        buckets.put(*arguments)

    folder = tmp_path / "spool"
    folder.mkdir()
    spool = ArchiveSpool(folder, refuse_at_first)
    for number in range(2):
        spool.add(BUCKET, f"{DAY}/object-{number}", line(number))
        spool.flush()
    assert len(list(folder.iterdir())) == 2
    assert spool.lost() == 0
    spool.flush()  # one of the two is put
    restore(folder, buckets.folder, {BUCKET})
    assert buckets.lines() == [line(0), line(1)]


def test_a_file_that_is_gone_before_it_was_put_is_counted(spool, tmp_path):
    spool.add(BUCKET, f"{DAY}/object", line(0))
    (file,) = (tmp_path / "spool").iterdir()
    file.unlink()
    spool.flush()
    assert spool.lost() == 1
    assert "No such file" in spool.reason()


def test_a_bucket_that_was_removed_is_not_made_again(spool, buckets, tmp_path):
    spool.add("removed", f"{DAY}/object", line(0))
    restore(tmp_path / "spool", buckets.folder, {BUCKET})
    assert not (buckets.folder / "removed").exists()
    assert not list((tmp_path / "spool").iterdir())


@pytest.mark.parametrize("saved", [{"new"}, None])
def test_a_bucket_that_has_had_no_object_gets_its_first_lines(spool, buckets, tmp_path, saved):
    spool.add("new", f"{DAY}/object", line(0))
    restore(tmp_path / "spool", buckets.folder, saved)
    assert (buckets.folder / "new" / DAY / "object").read_bytes() == line(0)


def test_what_is_no_file_of_the_spool_stays(buckets, tmp_path):
    (tmp_path / "spool" / "folder%2Fkey").mkdir(parents=True)
    (tmp_path / "spool" / "notes").touch()
    restore(tmp_path / "spool", buckets.folder, None)
    assert len(list((tmp_path / "spool").iterdir())) == 2


@contextmanager
def full_disk(free_bytes):
    """Let no file become longer than this."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("before", [0, 1])
def test_what_a_full_disk_does_not_take_is_written_when_there_is_space(spool, buckets, caplog, before):
    for number in range(before):
        spool.add(BUCKET, f"{DAY}/object-{number}", line(number))
    with full_disk(before * len(line(0)) + 5):
        for number in range(before, 3):
            spool.add(BUCKET, f"{DAY}/object-{number}", line(number))
        assert len(caplog.records) == 1
        assert "File too large" in caplog.text
        assert spool.lost() == 3 - before
    spool.flush()
    assert spool.lost() == 0
    assert buckets.objects() == {f"{DAY}/object-0": line(0) + line(1) + line(2)}


def test_a_flush_on_a_full_disk_makes_no_empty_object(spool, buckets, tmp_path):
    with full_disk(5):
        spool.add(BUCKET, f"{DAY}/object", line(0))
        spool.flush()
    assert buckets.objects() == {}
    assert not list((tmp_path / "spool").iterdir())


def test_what_waits_in_memory_is_bounded_and_what_is_dropped_is_counted(tmp_path, buckets, caplog):
    (tmp_path / "spool").mkdir()
    spool = ArchiveSpool(tmp_path / "spool", buckets.put, max_waiting_bytes=2 * len(line(0)))
    with full_disk(5):
        for number in range(5):
            spool.add(BUCKET, f"{DAY}/object-{number}", line(number))
    spool.flush()
    assert spool.lost() == 3
    assert buckets.lines() == [line(0), line(1)]
    assert caplog.text.count("New ones are lost") == 1


def test_records_that_come_while_objects_are_put_are_all_archived_once(spool, buckets):
    with ThreadPoolExecutor(4) as threads:
        adding = [
            threads.submit(spool.add, BUCKET, f"{DAY}/object-{number}", line(number)) for number in range(400)
        ]
        while not all(each.done() for each in adding):
            spool.flush()
    spool.flush()
    assert buckets.lines() == sorted(line(number) for number in range(400))
