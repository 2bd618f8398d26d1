"""When a package is made anew, and what may be in it. Chalice itself runs in tests/functional."""

import json
import os
import re
import shutil
import zipfile

import pytest

from local import personalize
from local.stack import CAMPAIGNS
from ops import stepwise
from ops.errors import PackagingError
from ops.packaging import bundle, inputs, zip_file
from ops.packaging.templates import Templates
from ops.stage import Stage


@pytest.fixture
def project(tmp_path):
    """The files that decide what a package holds, and some that do not."""
    for name in ("app.py", "chalicelib", ".chalice", "requirements.txt", "resources", "ops"):
        source = bundle.ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [
        "app.py",
        "requirements.txt",
        "chalicelib/contract/openapi.json",
        ".chalice/config.json",
        ".chalice/policy-api-handler.json",
        "resources/access.yaml",
        "ops/packaging/merge.py",
    ],
)
def test_a_changed_input_makes_a_new_package(project, name):
    before = inputs.fingerprint(project, "us-east-1")
    with (project / name).open("a") as file:
        file.write(" ")
    assert inputs.fingerprint(project, "us-east-1") != before


def test_a_renamed_module_makes_a_new_package(project):
    before = inputs.fingerprint(project, "us-east-1")
    (project / "chalicelib" / "errors.py").rename(project / "chalicelib" / "mistakes.py")
    assert inputs.fingerprint(project, "us-east-1") != before


@pytest.mark.parametrize("name", ["README.md", "chalicelib/__pycache__/x.pyc", "ops/deploy.py"])
def test_nothing_else_makes_a_new_package(project, name):
    before = inputs.fingerprint(project, "us-east-1")
    (project / name).parent.mkdir(exist_ok=True)
    (project / name).write_text("changed")
    os.utime(project / "app.py", (0, 0))
    assert inputs.fingerprint(project, "us-east-1") == before


def write(path, entries):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def test_equal_content_makes_an_equal_zip(tmp_path):
    one = write(tmp_path / "one.zip", [("b.py", "b"), ("a.py", "a")])
    other = write(
        tmp_path / "other.zip", [(zipfile.ZipInfo("a.py", (2020, 1, 1, 0, 0, 0)), "a"), ("b.py", "b")]
    )
    zip_file.write_zip(one, tmp_path / "first.zip")
    zip_file.write_zip(other, tmp_path / "second.zip")
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()


@pytest.mark.parametrize("name", ["numpy/core.cpython-311-x86_64-linux-gnu.so", "a.pyd", "chalicelib/a.pyc"])
def test_a_compiled_file_is_refused_by_name(tmp_path, name):
    source = write(tmp_path / "source.zip", [("app.py", ""), (name, "")])
    with pytest.raises(PackagingError, match=name):
        zip_file.write_zip(source, tmp_path / "target.zip")


def test_a_stage_that_is_not_configured_is_named_beside_those_that_are(project, tmp_path):
    with pytest.raises(PackagingError, match=r"There is no stage 'staging'.* has dev, local, prod\."):
        bundle.package("staging", project_dir=project, build_dir=tmp_path / "build")


def test_a_broken_configuration_is_named(project, tmp_path):
    (project / ".chalice" / "config.json").write_text("{")
    with pytest.raises(PackagingError, match=r"\.chalice/config\.json cannot be read"):
        bundle.package("dev", project_dir=project, build_dir=tmp_path / "build")


def test_a_new_right_without_its_resources_stops_the_packaging(project, tmp_path):
    path = project / ".chalice" / "policy-api-handler.json"
    policy = json.loads(path.read_text())
    policy["Statement"].append(policy["Statement"][0] | {"Sid": "GetSomethingNew"})
    path.write_text(json.dumps(policy))
    with pytest.raises(PackagingError, match=r"The Sid GetSomethingNew is in \.chalice/policy-api"):
        bundle.package("dev", project_dir=project, build_dir=tmp_path / "build")


def test_the_local_stage_names_what_the_local_stack_makes():
    config = json.loads((bundle.ROOT / ".chalice" / "config.json").read_text())
    variables = config["stages"]["local"]["environment_variables"]
    parameters = Templates.read(bundle.ROOT).function_parameters()
    campaigns = {name: variables[name] for name, parameter in parameters.items() if parameter in CAMPAIGNS}
    assert {parameters[name]: arns for name, arns in campaigns.items()} == CAMPAIGNS
    assert CAMPAIGNS["CampaignArn"] == personalize.CAMPAIGN_ARN
    assert variables["TRACKING_ID"] == personalize.TRACKING_ID
    assert variables["EVENT_STREAM_NAME"] == "personalize-api-local-events"


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("ALLOWED_ORIGIN", "https://shop.example/", "write https://shop.example without the slash"),
        ("ALLOWED_HEADERS", "x-datadog-*", "ALLOWED_HEADERS has the entry 'x-datadog-*'"),
        ("MAX_EVENTS_PER_REQUEST", "501", "it takes a whole number from 1 to 500"),
        ("RANKING_CAMPAIGN_ARN", "ranking", "it takes the ARN of a campaign"),
        ("ANYTHING", "x" * 4096, "Lambda takes 4,096. The longest is ANYTHING: shorten it."),
    ],
)
def test_what_the_functions_would_refuse_is_a_sentence_before_anything_is_packaged(
    project, variable, value, sentence
):
    path = project / ".chalice" / "config.json"
    config = json.loads(path.read_text())
    config["environment_variables"][variable] = value
    path.write_text(json.dumps(config))
    with pytest.raises(PackagingError, match=re.escape(sentence)) as refused:
        bundle.package("dev", project_dir=project, build_dir=project / "build")
    assert str(refused.value).endswith("Change it in .chalice/config.json.")
    assert not (project / "build").exists()
    with pytest.raises(PackagingError, match=re.escape(sentence)):
        stepwise.check_stage(Stage(project, "dev"))
