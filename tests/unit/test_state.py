"""The folder where the local stack keeps its state, and who may read it."""

import os
import shlex
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from local import state
from ops.put import position


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_state_is_below_the_folder_that_the_user_names(tmp_path):
    home = state.home({"XDG_STATE_HOME": str(tmp_path)}, Path("/some/project"))
    assert home.parent == tmp_path / "personalize-api"


@pytest.mark.parametrize("environ", [{}, {"XDG_STATE_HOME": ""}, {"XDG_STATE_HOME": "relative/path"}])
def test_without_a_usable_name_it_is_in_the_standard_folder(environ):
    assert state.home(environ).parent == Path.home() / ".local" / "state" / "personalize-api"


def test_two_checkouts_share_nothing():
    environ = {"XDG_STATE_HOME": "/state"}
    assert state.home(environ, Path("/one")) != state.home(environ, Path("/two"))
    assert state.home(environ, Path("/one")) == state.home(environ, Path("/one"))


def test_the_state_is_outside_the_project():
    assert state.PROJECT not in state.home({}).parents


def test_a_new_folder_and_those_above_it_are_for_the_owner_only(tmp_path):
    folder = tmp_path / "a" / "b"
    state.open_home(folder)
    assert mode(folder) == mode(folder.parent) == 0o700


def test_a_folder_that_others_could_read_is_closed(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir(mode=0o755)
    state.lock_file(folder).touch()
    state.open_home(folder)
    assert mode(folder) == 0o700


def test_a_folder_with_other_files_is_left_as_it_is(tmp_path):
    (tmp_path / "photo.jpg").touch()
    tmp_path.chmod(0o755)
    with pytest.raises(state.StateError, match="holds other files"):
        state.open_home(tmp_path)
    assert mode(tmp_path) == 0o755


@pytest.mark.parametrize("below", ["", "a", "a/b"])
def test_a_file_in_the_place_of_the_folder_is_named_and_the_printed_line_moves_it(tmp_path, below):
    file = tmp_path / "a file"
    file.touch()
    with pytest.raises(state.StateError, match="cannot be used to keep the state") as raised:
        state.open_home(file / below)
    paste(str(raised.value))
    state.open_home(file / below)


@pytest.mark.parametrize("folder", ["/dev/null", "/dev/null/below"])
def test_nobody_is_told_to_move_a_device_away(folder):
    with pytest.raises(state.StateError, match=r"/dev/null cannot .* name another folder") as raised:
        state.open_home(Path(folder))
    assert "mv" not in str(raised.value)


def paste(text):
    """Carry out the line that a message ends with."""
    subprocess.run(shlex.split(text.rpartition(": ")[2]), check=True)


WRONG_KINDS = {
    "a file above": lambda folder: (folder / "file" / "below").write_text(""),
    "a file far above": lambda folder: (folder / "file" / "below" / "deep").open("w"),
    "a file for a folder": lambda folder: (folder / "file").mkdir(),
    "a link to nothing": lambda folder: (folder / "link").mkdir(),
    "a folder": lambda folder: (folder / "folder").write_text(""),
    "a folder for a file that is replaced": lambda folder: (folder / "file").replace(folder / "folder"),
    "a folder that is moved": lambda folder: (folder / "folder").replace(folder / "file"),
}


@pytest.mark.parametrize("wrong", WRONG_KINDS)
def test_what_is_in_the_way_is_named_and_the_printed_line_moves_it(tmp_path, wrong):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    with pytest.raises(OSError, match=r"directory|exists") as raised:
        WRONG_KINDS[wrong](tmp_path)
    paste(str(state.unusable(raised.value, tmp_path)))
    moved = [path.name for path in tmp_path.iterdir() if path.name.endswith(".away")]
    assert len(moved) == 1
    assert moved[0].removesuffix(".away") in wrong


def test_a_private_file_can_be_read_by_its_owner_only_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        state.open_private(tmp_path / "file", "w").close()
    finally:
        os.umask(before)
    assert mode(tmp_path / "file") == 0o600


def test_bytecode_is_kept_outside_the_project_unless_the_environment_says_otherwise(tmp_path):
    site_packages, bytecode = tmp_path / "site-packages", tmp_path / "it's here"
    site_packages.mkdir()
    state.divert_bytecode(site_packages, bytecode)
    program = f"import site, sys; site.addsitedir({str(site_packages)!r}); print(sys.pycache_prefix)"

    def prefix(**environment):
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPYCACHEPREFIX"}
        command = [sys.executable, "-S", "-c", program]
        return subprocess.run(
            command, env=clean | environment, check=True, capture_output=True, text=True
        ).stdout.strip()

    assert prefix() == str(bytecode)
    assert prefix(PYTHONPYCACHEPREFIX="/elsewhere") == "/elsewhere"


def test_bytecode_has_a_folder_of_its_own_because_others_may_read_it():
    folder = Path("/state/personalize-api/abc")
    assert folder not in state.bytecode_folder(folder).parents
    assert state.bytecode_folder(folder).parent == folder.parent


def test_a_folder_name_of_any_language_does_not_stop_python(tmp_path):
    site_packages, bytecode = tmp_path / "site-packages", tmp_path / "стан é"
    site_packages.mkdir()
    state.divert_bytecode(site_packages, bytecode)
    program = f"import site, sys; site.addsitedir({str(site_packages)!r}); print(ascii(sys.pycache_prefix))"
    environment = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    ran = subprocess.run(
        [sys.executable, "-S", "-c", program], env=environment, check=True, capture_output=True, text=True
    )
    assert ran.stdout.strip() == ascii(str(bytecode))


def test_a_folder_with_a_lock_of_something_else_is_left_as_it_is(tmp_path):
    (tmp_path / "lock").touch()
    (tmp_path / "stack.json").touch()
    with pytest.raises(state.StateError, match="holds other files"):
        state.open_home(tmp_path)


def test_what_a_running_stack_uses_is_not_cleaned(tmp_path):
    home = tmp_path / "home"
    state.open_home(home)
    state.bytecode_folder(home).mkdir()
    with state.locked(state.lock_file(home), "in use"):
        with pytest.raises(state.StateError, match="is running"):
            state.clean(home)
        assert state.lock_file(home).exists()
    state.clean(home)
    assert not home.exists()
    assert not state.bytecode_folder(home).exists()


def test_how_far_files_have_been_put_is_cleaned_too(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    kept = position.PositionFile.of(tmp_path / "items.csv")
    kept.write(position.Position("hash", rows=10))
    assert kept.read("hash").rows == 10
    state.clean(state.home())
    assert not kept.path.parent.exists()


def test_a_user_without_a_home_folder_is_told_what_to_set(monkeypatch):
    def no_home():
        raise RuntimeError

    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(state.StateError, match="Set HOME"):
        state.home({})


def test_a_folder_for_bytecode_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(state.StateError, match="cannot be written"):
        state.divert_bytecode(tmp_path, tmp_path / "file" / "bytecode")


def test_a_lock_is_held_until_the_programs_that_inherited_it_have_ended(tmp_path):
    file = tmp_path / "lock"
    with state.locked(file, "in use") as lock:
        program = [sys.executable, "-c", "import sys; sys.stdin.read()"]
        heir = subprocess.Popen(program, stdin=subprocess.PIPE, pass_fds=[lock])
    with pytest.raises(state.StateError, match="in use"), state.locked(file, "in use"):
        pass
    with heir:
        assert heir.stdin is not None
        threading.Timer(0.2, heir.stdin.close).start()
        with state.locked(file, "in use", wait_seconds=60):
            pass
