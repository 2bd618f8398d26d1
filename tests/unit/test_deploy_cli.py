"""One rule for how the commands of ops end."""

import inspect
import json
import signal
import subprocess
import sys

import boto3
import pytest

from ops import cli, errors, local_stage
from ops.errors import AwsError, readable_aws_errors
from ops.packaging.bundle import ROOT


def test_an_error_is_one_sentence_on_stderr_and_exit_status_1(capsys):
    assert cli.main(["package", "--stage", "nowhere"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("There is no stage 'nowhere'")


def test_an_unknown_profile_is_a_sentence(capsys):
    assert cli.main(["deploy-stack", "--profile", "nobody"]) == 1
    assert "list-profiles" in capsys.readouterr().err


def test_the_credentials_of_the_machine_are_asked_for_in_a_sentence(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(AwsError, match="No AWS credentials were found"), readable_aws_errors():
        boto3.Session(region_name="us-east-1").client("sts").get_caller_identity()


@pytest.mark.parametrize(
    "arguments", [["deploi"], ["deploy", "--regoin", "x"], ["capacity", "--shards", "many"]]
)
def test_wrong_usage_ends_with_2(arguments, capsys):
    try:
        status = cli.main(arguments)
    except SystemExit as ended:  # the calculator reads its own options
        status = int(ended.code)
    assert status == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    ["package", "deploy", "deploy-stack", "pipeline", "functions", "access", "destroy", "rotate-key"],
)
def test_what_make_run_makes_no_other_command_makes_or_removes(command, capsys):
    assert cli.main([command, "--stage", "local"]) == 1
    assert "is made by 'make run'" in capsys.readouterr().err


@pytest.fixture
def signals():
    """Put back the handler that redrive sets for its own process."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize("options", [["--profile", "shop"], ["--region", "eu-west-1"], ["--stack-name", "x"]])
@pytest.mark.parametrize("command", ["doctor", "redrive"])
def test_the_local_stage_takes_no_options_of_an_account(command, options, capsys):
    assert cli.main([command, "--stage", "local", *options]) == 1
    assert "STAGE=local takes no --profile" in capsys.readouterr().err


def test_help_needs_neither_boto3_nor_chalice():
    program = (
        "import sys\nfrom ops.cli import main\n"
        "status = main(['--help'])\n"
        "sys.exit(status or any(name in sys.modules for name in ('boto3', 'botocore', 'chalice')))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False, text=True, timeout=60
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    for command in (
        "package",
        "deploy",
        "deploy-stack",
        "destroy",
        "rotate-key",
        "doctor",
        "redrive",
        "capacity",
    ):
        assert f"\n  {command} " in ran.stdout


def test_every_error_is_drawn_in_the_tree_of_the_module():
    tree = errors.__doc__ or ""
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        if kind.__module__ == errors.__name__:
            assert issubclass(kind, errors.OpsError)
            assert f" {name} " in tree or tree.count(f"\n{name} ")


def test_that_nothing_was_changed_is_said_only_where_nothing_was():
    declined = errors.DeclinedError("--yes is needed.")
    assert str(declined) == "Nothing was changed: --yes is needed."
    assert str(errors.DeclinedError()) == "Nothing was changed."
    assert str(declined.after("The pipeline is deployed")) == "The pipeline is deployed: --yes is needed."


def test_the_session_of_the_local_stage_reads_nothing_of_the_developers(monkeypatch, tmp_path):
    settings = tmp_path / "config"
    settings.write_text("[default]\nregion = eu-west-1\nendpoint_url = http://other.example\n")
    for name, value in {
        "AWS_PROFILE": "nobody",
        "AWS_CONFIG_FILE": str(settings),
        "AWS_SESSION_TOKEN": "secret",
        "AWS_ACCESS_KEY_ID": "secret",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": "http://other.example",
        "AWS_ENDPOINT_URL_SQS": "http://other.example",
        "HTTP_PROXY": "http://proxy.example",
    }.items():
        monkeypatch.setenv(name, value)
    session = local_stage.LocalSession("http://127.0.0.1:1")
    for service in ("sqs", "cloudformation", "s3"):
        client = session.client(service)
        assert client.meta.endpoint_url == "http://127.0.0.1:1"
        assert client.meta.region_name == "us-east-1"
        assert client.meta.config.proxies == {}
    assert session.get_credentials().get_frozen_credentials()[:3] == ("test", "test", None)


def test_without_make_run_the_local_stage_says_how_to_start_it(tmp_path):
    with pytest.raises(errors.NotDeployedError, match="Start it with 'make run'"):
        local_stage.read_coordinates(tmp_path)


@pytest.mark.parametrize("text", ["{", json.dumps({"apiUrl": "u"})])
def test_a_file_that_make_run_did_not_write_is_named(tmp_path, text):
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "stack.json").write_text(text)
    with pytest.raises(errors.NotDeployedError, match=r"\.local/stack\.json does not have"):
        local_stage.read_coordinates(tmp_path)
