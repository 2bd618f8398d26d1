import json
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from local.state_saver import StateSaver, encoder

DEPLOYED = {"stacks": {"s": {}}}


class Services:
    """States by service, as the emulator hands them over. ``copied`` is the order in which it was asked."""

    def __init__(self, **states):
        self.states = states
        self.copied = []

    def __call__(self):
        return {name: lambda name=name: self._copy(name) for name in self.states}

    def _copy(self, name):
        self.copied.append(name)
        state = self.states[name]
        if isinstance(state, Exception):
            raise state
        return state


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "state"


def saver(folder, **options):
    return StateSaver(folder, encoder(lambda service: 3, str), **options)


def saved(folder):
    return {file.stem: json.loads(file.read_text())["payload"] for file in folder.glob("*.json")}


def test_every_service_is_saved_in_the_emulators_format(folder):
    saver(folder).save(Services(sqs={"queues": 1}, kinesis={"streams": 2})())
    assert saved(folder) == {"sqs": {"queues": 1}, "kinesis": {"streams": 2}}
    assert json.loads((folder / "sqs.json").read_text())["__ministack_format__"] == 3


def test_a_service_with_nothing_to_save_keeps_its_file(folder):
    first = saver(folder)
    first.save(Services(sqs={"queues": 1})())
    first.save(Services(sqs=None)())
    assert saved(folder) == {"sqs": {"queues": 1}}


def test_the_streams_are_copied_first_and_take_their_place_last(folder):
    services = Services(sqs={"queues": 1}, kinesis={"streams": 2}, sns={"topics": 3})
    (folder / "sns.json").mkdir(parents=True)  # no file can take its place
    failing = saver(folder)
    failing.save(services())
    assert services.copied == ["kinesis", "sqs", "sns"]
    assert isinstance(failing.failure, OSError)
    (folder / "sns.json").rmdir()
    assert saved(folder) == {"sqs": {"queues": 1}}


def test_a_file_that_cannot_be_written_leaves_all_old_ones(folder):
    first = saver(folder)
    first.save(Services(sqs={"queues": 1}, kinesis={"streams": 1})())
    (folder / "kinesis.json.tmp").mkdir()
    later = Services(sqs={"queues": 2}, kinesis={"streams": 2})
    first.save(later())
    assert first.failure is not None
    assert saved(folder) == {"sqs": {"queues": 1}, "kinesis": {"streams": 1}}
    assert not (folder / "sqs.json.tmp").exists()
    (folder / "kinesis.json.tmp").rmdir()
    first.save(later())
    assert first.failure is None
    assert saved(folder) == {"sqs": {"queues": 2}, "kinesis": {"streams": 2}}


def test_a_log_that_cannot_be_copied_costs_no_event(folder, capsys):
    # Every invocation of a function adds to the log, and a dictionary that grows cannot be copied.
    first = saver(folder)
    first.save(
        Services(sqs={"queues": 1}, cloudwatch_logs=RuntimeError("it grows"), kinesis={"streams": 2})()
    )
    assert saved(folder) == {"sqs": {"queues": 1}, "kinesis": {"streams": 2}}
    assert first.failure is None
    assert "it grows" in capsys.readouterr().out


def test_only_what_differs_is_written_again(folder):
    first = saver(folder)
    first.save(Services(sqs={"queues": 1}, kinesis={"streams": 2})())
    (folder / "sqs.json").write_text("untouched")
    first.save(Services(sqs={"queues": 1}, kinesis={"streams": 3})())
    assert (folder / "sqs.json").read_text() == "untouched"
    assert json.loads((folder / "kinesis.json").read_text())["payload"] == {"streams": 3}


def test_a_state_that_changes_while_it_is_copied_is_copied_again(folder):
    attempts = iter([RuntimeError("dictionary changed size during iteration"), {"queues": 1}])

    def copy():
        state = next(attempts)
        if isinstance(state, Exception):
            raise state
        return state

    saver(folder).save({"sqs": copy})
    assert saved(folder) == {"sqs": {"queues": 1}}


def test_nothing_is_saved_of_a_first_deployment_that_is_not_complete(folder):
    first = saver(folder, is_deployed=False)
    services = Services(cloudformation=DEPLOYED, kinesis={"streams": 1})
    first.save(services())
    assert not folder.exists()
    first.deployed()
    first.save(services())
    assert set(saved(folder)) == {"cloudformation", "kinesis"}


def test_a_later_deployment_that_is_not_complete_leaves_the_one_before(folder):
    saver(folder).save(Services(cloudformation=DEPLOYED, kinesis={"streams": 1})())
    saver(folder, is_deployed=False).save(Services(cloudformation={"half": 1}, kinesis={"streams": 2})())
    assert saved(folder) == {"cloudformation": DEPLOYED, "kinesis": {"streams": 2}}


@pytest.mark.parametrize("failing", ["all services", "one service", "the folder"])
def test_a_failure_that_cannot_even_be_printed_does_not_end_the_saving(
    folder, monkeypatch, eventually, failing
):
    services = Services(kinesis={"streams": 1})
    mended = threading.Event()

    def states():
        if not mended.is_set() and failing == "all services":
            raise RuntimeError("dictionary changed size during iteration")
        return services()

    if failing == "one service":
        services.states["kinesis"] = OSError("No space left on device")
    if failing == "the folder":
        folder.write_text("a file")
    full_disk = Path("/dev/full").open("w")  # noqa: SIM115 - to close it fails too
    monkeypatch.setattr("sys.stdout", full_disk)
    saving = saver(folder)
    threading.Thread(target=saving.keep_saving, args=(states, 0.01), daemon=True).start()
    saving.changed()
    eventually(lambda: saving.failure is not None)
    services.states["kinesis"] = {"streams": 1}
    if failing == "the folder":
        folder.unlink()
    mended.set()
    eventually(lambda: saved(folder) == {"kinesis": {"streams": 1}} and saving.failure is None)
    with suppress(OSError):
        full_disk.close()
