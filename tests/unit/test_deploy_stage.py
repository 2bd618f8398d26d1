"""What is kept in .chalice/, and that its files are changed without a trace of the change itself."""

import json
import os
import stat

import pytest

from ops import chalice_command as chalice
from ops.errors import NotDeployedError, PackagingError
from ops.packaging.bundle import ROOT
from ops.stage import Stage
from tests.support.clone import config_as_cloned


@pytest.fixture
def stage(tmp_path):
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text(config_as_cloned(ROOT / ".chalice" / "config.json"))
    return Stage(tmp_path, "dev")


def text(stage):
    return (stage.project_dir / ".chalice" / "config.json").read_text()


def test_recording_changes_the_values_and_no_other_line(stage):
    before = text(stage)
    assert stage.record({"TRACKING_ID": "t-1", "EVENT_STREAM_NAME": "s"}) == [
        "TRACKING_ID",
        "EVENT_STREAM_NAME",
    ]
    changed = [
        new for old, new in zip(before.splitlines(), text(stage).splitlines(), strict=True) if old != new
    ]
    assert [line.strip() for line in changed] == ['"TRACKING_ID": "t-1",', '"EVENT_STREAM_NAME": "s",']
    assert Stage(stage.project_dir, "prod").variables()["TRACKING_ID"] == "set-me"


def test_recording_what_stands_there_already_writes_nothing(stage):
    stage.record({"TRACKING_ID": "t-1"})
    written = (stage.project_dir / ".chalice" / "config.json").stat().st_mtime_ns
    assert stage.record({"TRACKING_ID": "t-1"}) == []
    assert (stage.project_dir / ".chalice" / "config.json").stat().st_mtime_ns == written


def test_the_placeholders_of_a_fresh_clone_are_no_values(stage):
    assert not stage.has_value("CAMPAIGN_ARN")
    assert not stage.has_value("TRACKING_ID")
    stage.record({"TRACKING_ID": "t-1"})
    assert stage.has_value("TRACKING_ID")


def test_answers_are_remembered_by_stage_and_beside_what_is_packaged(stage):
    stage.remember({"CampaignArn": "a"})
    stage.remember({"NotificationEmail": ""})
    assert stage.answers() == {"CampaignArn": "a", "NotificationEmail": ""}
    assert Stage(stage.project_dir, "prod").answers() == {}
    assert [path.name for path in (stage.project_dir / ".chalice").glob("*.json")] == ["config.json"]
    assert ".chalice/answers/" in (ROOT / ".gitignore").read_text().splitlines()


def test_a_misspelt_stage_is_named_beside_the_right_ones(stage):
    with pytest.raises(PackagingError, match=r"no stage 'devv'; .chalice/config.json has dev, local, prod"):
        Stage(stage.project_dir, "devv").variables()


def test_a_broken_file_is_named(stage):
    (stage.project_dir / ".chalice" / "config.json").write_text("{")
    with pytest.raises(PackagingError, match=r"\.chalice/config\.json cannot be read: it is not JSON"):
        stage.variables()


def test_a_record_without_an_api_is_no_deployment(stage):
    folder = stage.project_dir / ".chalice" / "deployed"
    folder.mkdir()
    (folder / "dev.json").write_text(json.dumps({"resources": []}))
    assert not stage.has_chalice_record()
    (folder / "dev.json").write_text(json.dumps({"resources": [{"resource_type": "iam_role", "name": "r"}]}))
    with pytest.raises(NotDeployedError, match="names no API"):
        stage.chalice_record()


def test_the_reason_is_read_out_of_chalices_traceback():
    said = [
        "Creating deployment package.",
        "Traceback (most recent call last):",
        '  File "x.py", line 1, in deploy',
        "botocore.errorfactory.AccessDenied: denied",
        "",
        "During handling of the above exception, another exception occurred:",
        "chalice.deploy.deployer.ChaliceDeploymentError: ERROR - While deploying, this came:",
        "",
        " Not allowed to call CreateRole",
    ]
    assert chalice.reason_in(said) == "ERROR - While deploying, this came: Not allowed to call CreateRole"
    assert chalice.reason_in(["No region configured."]) == "No region configured."
    assert chalice.reason_in([]) == ""


@pytest.mark.parametrize("left_open", [False, True])
def test_what_its_owner_answered_can_be_read_by_no_one_else(stage, left_open):
    folder = stage.project_dir / ".chalice" / "answers"
    stage.remember({"NotificationEmail": "ops@example.com"})
    if left_open:  # as an earlier version did
        folder.chmod(0o755)
        (folder / "dev.json").chmod(0o644)
    assert stage.answers() == {"NotificationEmail": "ops@example.com"}
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "dev.json")] == [0o700, 0o600]


def test_the_settings_of_version_control_keep_their_mode(stage):
    before = os.umask(0o022)
    try:
        stage.record({"TRACKING_ID": "t-1"})
    finally:
        os.umask(before)
    assert stat.S_IMODE((stage.project_dir / ".chalice" / "config.json").stat().st_mode) == 0o644
