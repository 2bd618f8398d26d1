"""``make run`` with a state that is damaged or cannot be kept: a sentence, and a line to paste that helps."""

import re
import shlex
import shutil
import subprocess

import pytest

from local.stack import running_stack
from tests.support.local_run import ready


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The home of a run that has ended."""
    home = tmp_path_factory.mktemp("kept") / "home"
    with running_stack(home):
        pass
    return home


@pytest.fixture
def home(kept, tmp_path):
    return shutil.copytree(kept, tmp_path / "a home's folder")


def refused(run, ports, home):
    """Return what a run prints that must not start."""
    terminal = run(*ports, home=home)
    assert terminal.end() == 1
    assert "Ready." not in terminal.text
    assert "Traceback" not in terminal.text
    assert not re.search(r"\baws \w", terminal.text)
    return terminal.text


def paste(text):
    """Carry out the line that the run has printed."""
    (line,) = re.findall(r"(?:rm|mv) .*", text)
    subprocess.run(shlex.split(line), check=True)


def database(home):
    (file,) = home.glob("events-*.sqlite")
    return file


def truncate(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def replace_by_a_folder(file):
    file.unlink(missing_ok=True)
    file.mkdir()


def replace_by_a_file(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.write_text("a file")


DAMAGES = {
    "a truncated state": ("emulator/state/kinesis.json", truncate),
    "an empty state": ("emulator/state/lambda.json", lambda file: file.write_bytes(b"")),
    "a state of another kind": ("emulator/state/sqs.json", replace_by_a_folder),
    "a file for the emulator's folder": ("emulator", replace_by_a_file),
    "a file for the state's folder": ("emulator/state", replace_by_a_file),
    "a file for the archive's folder": ("emulator/s3", replace_by_a_file),
    "a file for the spool's folder": ("emulator/archive-spool", replace_by_a_file),
    "a file for the compaction's folder": ("emulator/archive-compaction", replace_by_a_file),
    "a folder for the lock": ("personalize-api.lock", replace_by_a_folder),
    "a folder for the engine's log": ("engine.log", replace_by_a_folder),
    "a folder for the emulator's log": ("emulator/ministack.log", replace_by_a_folder),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_named_before_anything_is_ready(run, ports, home, damage):
    name, make = DAMAGES[damage]
    make(home / name)
    assert str(home / name) in refused(run, ports, home)


@pytest.mark.parametrize(
    "make",
    [lambda file: file.write_bytes(b""), truncate, lambda file: file.write_bytes(b"garbage" * 4000)],
    ids=["empty", "truncated", "garbage"],
)
def test_a_damaged_database_of_the_engine_is_named(run, ports, home, make):
    file = database(home)
    make(file)
    text = refused(run, ports, home)
    assert shlex.quote(str(file)) in text
    paste(text)
    assert not file.exists()


def test_after_the_printed_lines_the_next_run_is_ready(run, ports, home, eventually):
    truncate(home / "emulator" / "state" / "cloudformation.json")
    truncate(database(home))
    shutil.rmtree(home / "emulator" / "s3")
    paste(refused(run, ports, home))
    paste(refused(run, ports, home))
    replace_by_a_folder(home / "stack.json")
    paste(refused(run, ports, home))
    terminal = run(*ports, home=home)
    eventually(lambda: ready(terminal), 120)
    assert terminal.interrupt() == 0


def test_a_home_that_is_a_file_is_named(run, ports, tmp_path):
    (tmp_path / "home").write_text("a file")
    assert str(tmp_path / "home") in refused(run, ports, tmp_path / "home")
