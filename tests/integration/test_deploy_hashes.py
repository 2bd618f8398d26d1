"""What is packaged is what requirements.txt has the hash of. pip runs for real, on files of this machine."""

import hashlib
import re
import zipfile

import pytest

from ops.errors import PackagingError
from ops.packaging.bundle import ROOT
from ops.packaging.wheels import download_wheels

NAME = "reviewed-1.0-py3-none-any.whl"


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that pip takes packages from, instead of the network; it has one wheel."""
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / NAME, "w") as wheel:
        wheel.writestr("reviewed.py", "")
        info = "reviewed-1.0.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: reviewed\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def download(tmp_path, requirement):
    (tmp_path / "requirements.txt").write_text(f"{requirement}\n")
    return [path.name for path in download_wheels(tmp_path, tmp_path / "build", print).iterdir()]


def test_the_package_that_was_reviewed_is_taken(tmp_path, index):
    digest = hashlib.sha256((index / NAME).read_bytes()).hexdigest()
    assert download(tmp_path, f"reviewed==1.0 --hash=sha256:{digest}") == [NAME]


def test_another_file_of_the_same_name_and_version_is_refused(tmp_path, index):
    with pytest.raises(PackagingError, match=r"requirements\.txt could not be downloaded"):
        download(tmp_path, f"reviewed==1.0 --hash=sha256:{'0' * 64}")
    assert not list((tmp_path / "build" / "wheels").iterdir())


def test_a_package_without_a_hash_is_refused(tmp_path, index):
    with pytest.raises(PackagingError):
        download(tmp_path, "reviewed==1.0")


def test_every_package_that_goes_to_aws_has_a_version_and_a_hash():
    text = (ROOT / "requirements.txt").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines
    for line in lines:
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9.]+(\s+--hash=sha256:[0-9a-f]{64})+", line.strip())
