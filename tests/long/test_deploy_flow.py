"""Deploying around the real 'chalice deploy' command, in a clone, against the emulator.

Between Chalice and the emulator stands tests/support/gateway_proxy.py, which says why.
"""

import json
import os
import pty
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest

from local import catalogue
from local.emulator import running_emulator
from local.personalize import CAMPAIGN_ARN, TRACKING_ID
from local.personalize.process import running_engine
from tests.support import calls
from tests.support.clone import clone_project, config_as_cloned
from tests.support.gateway_proxy import running_proxy

ROOT = Path(__file__).parents[2]
EMULATED = ["--parameter", "Emulated=true"]
PARAMETERS = [
    *("--parameter", f"CampaignArn={CAMPAIGN_ARN}", "--parameter", f"EventTrackerId={TRACKING_ID}"),
    *EMULATED,
]
PIPELINE, ACCESS = "personalize-api-dev-pipeline", "personalize-api-dev-access"
CHALICE = "from chalice.cli import main; raise SystemExit(main())"


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    home = tmp_path_factory.mktemp("engine")
    with running_engine(
        data=catalogue.FOLDER, database=home / "events.sqlite", output=home / "log", port=0
    ) as process:
        yield process


@pytest.fixture(scope="module")
def emulator(engine, tmp_path_factory):
    environment = {
        "AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME": engine.url,
        "AWS_ENDPOINT_URL_PERSONALIZE_EVENTS": engine.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with running_emulator(environment=environment, state_dir=tmp_path_factory.mktemp("emulator")) as running:
        yield running


@pytest.fixture(scope="module")
def proxy(emulator):
    with running_proxy(emulator.url) as (running, url):
        yield running, url


@pytest.fixture(scope="module")
def client(emulator):
    session = boto3.Session("test", "test", region_name="us-east-1")
    clients = []

    def make(service):
        clients.append(session.client(service, endpoint_url=emulator.url))
        return clients[-1]

    yield make
    for made in clients:
        made.close()


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """The project as it comes from version control, with the packages it has downloaded once."""
    return clone_project(tmp_path_factory.mktemp("clone"))


@pytest.fixture(scope="module")
def environment(proxy):
    return os.environ | {
        "AWS_ENDPOINT_URL": proxy[1],
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


@pytest.fixture(scope="module")
def run(clone, environment):
    """``run(*arguments)`` runs the clone's ``python -m ops``; ``chalice=True`` its chalice command.

    ``typed`` are the lines that a person types at the terminal. Without them there is no terminal.
    """

    def start(*arguments, chalice=False, typed=()):
        command = ["-c", CHALICE] if chalice else ["-m", "ops"]
        with standard_input(typed) as stdin:
            return subprocess.run(
                [sys.executable, *command, *arguments],
                cwd=clone,
                env=environment,
                stdin=stdin,
                capture_output=True,
                check=False,
                text=True,
                timeout=180,
            )

    return start


@contextmanager
def standard_input(typed):
    if not typed:
        yield subprocess.DEVNULL
        return
    controller, terminal = pty.openpty()
    try:
        os.write(controller, "".join(f"{line}\n" for line in typed).encode())
        yield terminal
    finally:
        os.close(controller)
        os.close(terminal)


def config(clone):
    return json.loads((clone / ".chalice" / "config.json").read_text())


@pytest.fixture(scope="module")
def deployed(run, clone):
    """The three steps, one by one, the second of them by the chalice command itself."""
    pipeline = run("pipeline", "--stage", "dev", "--yes", *PARAMETERS)
    assert (pipeline.returncode, pipeline.stderr) == (0, "")
    chalice = run("deploy", "--stage", "dev", chalice=True)
    assert chalice.returncode == 0, chalice.stdout + chalice.stderr
    access = run("access", "--stage", "dev", "--yes")
    assert (access.returncode, access.stderr) == (0, "")
    return dict(line.split() for line in access.stdout.split("Outputs:\n")[1].split("\n\n")[0].splitlines())


@pytest.fixture
def call(deployed, emulator, client):
    key = client("apigateway").get_api_key(apiKey=deployed["ApiKeyId"], includeValue=True)["value"]
    api, stage = deployed["RecommendationsUrl"].split("//")[1].split(".")[0], "api"

    def post(route, body, key=key):
        return calls.post(f"{emulator.url}/_aws/execute-api/{api}/{stage}/{route}", body, key=key)

    return post


def test_what_the_pipeline_made_is_recorded_and_the_file_keeps_its_form(deployed, clone):
    before = config_as_cloned(ROOT / ".chalice" / "config.json").splitlines()
    after = (clone / ".chalice" / "config.json").read_text().splitlines()
    variables = config(clone)["stages"]["dev"]["environment_variables"]
    assert variables["EVENT_STREAM_NAME"] == f"{PIPELINE}-events"
    assert variables["EVENTS_BUCKET_NAME"] == deployed["EventsBucket"]
    assert variables["QUARANTINE_QUEUE_URL"] == deployed["QuarantineQueueUrl"]
    assert variables["CAMPAIGN_ARN"] == CAMPAIGN_ARN
    assert variables["TRACKING_ID"] == TRACKING_ID
    # EVENTS_BUCKET_NAME is the one line more; of the rest only values differ.
    assert len(after) == len(before) + 1
    assert len([line for line in before if line not in after]) <= 5


def test_a_call_without_key_is_refused_in_our_shape_and_readable_by_a_page(call):
    status, body, headers = call("recommendations", {"userId": "ann"}, key=None)
    assert status == 403
    assert body["Code"]
    assert headers["Access-Control-Allow-Origin"] == "*"


def test_a_call_with_the_key_is_answered(call):
    status, body, _ = call("recommendations", {"userId": "ann", "numResults": 3})
    assert status == 200
    assert len(body["itemList"]) == 3


def test_an_event_reaches_the_engine(call, engine, eventually):
    event = {"UserId": "ann", "SessionId": "flow", "EventType": "read", "Event": {"itemId": "dracula"}}
    status, body, _ = call("history", event)
    assert status == 202
    eventually(
        lambda: (
            body["EventId"]
            in {e["eventId"] for e in engine.control("GET", "/_engine/events?limit=10000")["events"]}
        )
    )


def test_the_event_source_has_its_limits_and_no_report_of_failed_items(deployed, client, clone):
    [mapping] = client("lambda").list_event_source_mappings(
        FunctionName="personalize-api-dev-deliver_events"
    )["EventSourceMappings"]
    assert mapping["MaximumRecordAgeInSeconds"] == 172800
    assert mapping["MaximumRetryAttempts"] == -1
    bucket = f"arn:aws:s3:::{deployed['EventsBucket']}"
    assert mapping["DestinationConfig"]["OnFailure"]["Destination"] == bucket
    assert not mapping.get("FunctionResponseTypes")
    assert config(clone)["environment_variables"]["REPORT_BATCH_ITEM_FAILURES"] == "false"


def test_the_whole_repeated_changes_nothing_but_is_deployed_again(deployed, run, clone, call, proxy):
    before = (clone / ".chalice" / "config.json").read_text()
    ran = run("deploy", "--stage", "dev", "--yes")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.count("is up to date: no changes.") == 2
    assert (clone / ".chalice" / "config.json").read_text() == before
    assert proxy[0].calls[-1] == "PutRestApi"
    # PutRestApi has removed the gateway's responses; the last step has put them back.
    status, _, headers = call("history", {}, key=None)
    assert (status, headers["Access-Control-Allow-Origin"]) == (403, "*")
    assert call("recommendations", {"userId": "ann"})[0] == 200


def test_an_optional_campaign_is_recorded_and_taken_away_again(deployed, run, clone):
    def recorded():
        variables = config(clone)["stages"]["dev"]["environment_variables"]
        return [variables.get(name) for name in ("RANKING_CAMPAIGN_ARN", "MAX_EVENTS_PER_REQUEST")]

    ranking = CAMPAIGN_ARN.replace("local", "ranking")
    for values in ([ranking, "25"], ["", "500"]):
        given = zip(("RankingCampaignArn", "MaxEventsPerRequest"), values, strict=True)
        options = [option for name, value in given for option in ("--parameter", f"{name}={value}")]
        ran = run("pipeline", "--stage", "dev", "--yes", *options)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert "stage dev: RANKING_CAMPAIGN_ARN, MAX_EVENTS_PER_REQUEST" in ran.stdout
        assert recorded() == values
        # Nothing is forgotten where it is not given again.
        assert run("pipeline", "--stage", "dev", "--yes").returncode == 0
        assert recorded() == values


def test_the_summary_says_where_it_is_and_never_shows_the_key(deployed, run, client):
    ran = run("access", "--stage", "dev", "--yes")
    assert "make doctor STAGE=dev" in ran.stdout
    command = "aws apigateway get-api-key --include-value --query value --output text --region us-east-1"
    assert f"{command} --api-key {deployed['ApiKeyId']}" in ran.stdout
    key = client("apigateway").get_api_key(apiKey=deployed["ApiKeyId"], includeValue=True)["value"]
    assert key not in ran.stdout


def test_every_function_has_a_log_group_with_the_retention_of_the_stage(deployed, client):
    groups = client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/personalize-api-dev")
    kept = {group["logGroupName"]: group.get("retentionInDays") for group in groups["logGroups"]}
    for function in ("personalize-api-dev", "personalize-api-dev-deliver_events"):
        assert kept[f"/aws/lambda/{function}"] == 14


def test_one_way_to_deploy_a_stage_excludes_the_other(deployed, run, client):
    client("cloudformation").create_stack(
        StackName="personalize-api-prod",
        TemplateBody=json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}),
    )
    ran = run("deploy", "--stage", "prod", "--yes", *PARAMETERS)
    client("cloudformation").delete_stack(StackName="personalize-api-prod")
    assert ran.returncode == 1
    assert "is deployed already, as the one stack personalize-api-prod" in ran.stderr
    other = run("deploy-stack", "--stage", "dev", "--yes", *PARAMETERS)
    assert other.returncode == 1
    assert "is deployed already, step by step." in other.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["pipeline", "--stage", "local", "--yes"], "The stage local is for 'chalice local'"),
        (["functions", "--stage", "prod", "--yes"], "CAMPAIGN_ARN of the stage prod is not set."),
        (["access", "--stage", "prod", "--yes"], "There is no .chalice/deployed/prod.json"),
        (["pipeline", "--stage", "prod", "--yes"], "A value is missing. Give --parameter CampaignArn=..."),
        (
            ["access", "--stage", "dev", "--yes", "--region", "eu-west-1"],
            "There is no stack personalize-api-dev",
        ),
        (
            ["pipeline", "--stage", "prod", "--yes", "--region", "eu-west-1", *PARAMETERS],
            "The campaign local is in us-east-1, and this would deploy to eu-west-1.",
        ),
        (
            [
                *("pipeline", "--stage", "prod", "--yes", *PARAMETERS),
                *("--parameter", f"OtherCampaignArns={CAMPAIGN_ARN}"),
            ],
            "Two campaigns have the name 'local'",
        ),
        (
            ["pipeline", "--stage", "prod", "--yes", "--parameter", "EventsBucketName=shop", *PARAMETERS],
            "it must begin with personalize-api-",
        ),
        (
            ["pipeline", "--stage", "prod", "--yes", "--parameter", "CampaignArn=my-campaign"],
            "CampaignArn is 'my-campaign'; it must look like arn:aws:personalize:",
        ),
        (
            ["access", "--stage", "dev", "--yes", "--parameter", "MonthlyQuota=many"],
            "it must be a number from 0",
        ),
        (["access", "--stage", "dev", "--yes", "--parameter", "Quota=1"], "There is no parameter Quota."),
    ],
)
def test_a_wrong_input_is_a_sentence(deployed, run, arguments, sentence):
    ran = run(*arguments)
    assert ran.returncode == 1
    assert sentence in ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr


@pytest.fixture
def interrupted_while_chalice_works(deployed, clone, environment, proxy):
    """Exit status and output of a program that got Ctrl-C while Chalice was making an API."""
    proxy[0].gate.clear()
    program = subprocess.Popen(
        [sys.executable, "-m", "ops", "functions", "--stage", "dev", "--yes"],
        cwd=clone,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with program:
        try:
            for line in program.stdout:
                if "Updating rest API" in line:
                    break
            program.send_signal(signal.SIGINT)
            for line in program.stdout:
                if "Waiting for Chalice" in line:
                    break
        finally:
            proxy[0].gate.set()
        return program.wait(120), program.stdout.read() + program.stderr.read()


def test_an_interruption_waits_for_chalice_and_the_next_run_makes_no_second_api(
    interrupted_while_chalice_works, client, run
):
    status, output = interrupted_while_chalice_works
    assert status == 130
    assert "Interrupted." in output
    assert "Traceback" not in output
    apis = len(client("apigateway").get_rest_apis(limit=500)["items"])
    assert run("deploy", "--stage", "dev", "--yes").returncode == 0
    assert len(client("apigateway").get_rest_apis(limit=500)["items"]) == apis


def test_what_chalice_fails_of_is_a_sentence_without_its_traceback(deployed, run, proxy):
    proxy[0].refusal = "You may not change APIs."
    ran = run("functions", "--stage", "dev", "--yes")
    proxy[0].refusal = None
    assert ran.returncode == 1
    assert ran.stderr.startswith("chalice deploy failed: ")
    assert "You may not change APIs." in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert "Traceback" not in ran.stdout


def test_doctor_knows_this_kind_of_deployment_too(deployed, run):
    ran = run("doctor", "--stage", "dev")
    assert ran.stderr == ""
    assert "ok  The event source is enabled and has its settings.\n" in ran.stdout
    assert "ok  The API key is in a usage plan of the API.\n" in ran.stdout


def test_redrive_finds_the_quarantine_of_this_kind_of_deployment_too(deployed, run, client):
    event = {"UserId": "ann", "SessionId": "redriven", "EventType": "read", "Event": {"itemId": "emma"}}
    message = {
        "reason": "refused",
        "error": "said so",
        "record": json.dumps(event | {"EventId": "redriven-1"}),
        "shardId": "shardId-000000000000",
        "sequenceNumber": "1",
        "quarantinedAt": "2026-01-31T00:00:00Z",
    }
    queue = deployed["QuarantineQueueUrl"]
    client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(message))
    counted = run("redrive", "--stage", "dev", "--dry-run")
    assert (counted.returncode, counted.stderr) == (0, "")
    assert "1 would go back into the stream, 0 stay in the quarantine." in counted.stdout
    ran = run("redrive", "--stage", "dev")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "1 went back into the stream, 0 stay in the quarantine." in ran.stdout


def test_an_api_that_is_gone_is_named(deployed, run, clone, client):
    path = clone / ".chalice" / "deployed" / "dev.json"
    record = path.read_text()
    path.write_text(record.replace(json.loads(record)["resources"][-1]["rest_api_id"], "elsewhere1"))
    ran = run("access", "--stage", "dev", "--yes")
    path.write_text(record)
    assert ran.returncode == 1
    assert "names the API elsewhere1, which is not in this account and region (us-east-1)" in ran.stderr


def test_what_is_destroyed_is_named_and_the_events_are_kept_until_asked_for(deployed, run, client, clone):
    client("s3").put_object(Bucket=deployed["EventsBucket"], Key="events/one", Body=b"{}")
    asked = run("destroy", "--stage", "dev")
    assert asked.returncode == 1
    assert asked.stderr == "Nothing was changed: --yes is needed where nobody can be asked.\n"
    assert f"Kept: the bucket {deployed['EventsBucket']}" in asked.stdout
    assert "Lost: the API key." in asked.stdout

    ran = run("destroy", "--stage", "dev", "--yes")
    assert (ran.returncode, ran.stderr) == (0, "")
    with pytest.raises(client("cloudformation").exceptions.ClientError, match="does not exist"):
        client("cloudformation").describe_stacks(StackName=PIPELINE)
    with pytest.raises(client("cloudformation").exceptions.ClientError, match="does not exist"):
        client("cloudformation").describe_stacks(StackName=ACCESS)
    assert client("lambda").list_functions()["Functions"] == []
    assert client("apigateway").get_rest_apis()["items"] == []
    groups = client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/personalize-api-dev")
    assert groups["logGroups"] == []
    assert client("s3").list_objects_v2(Bucket=deployed["EventsBucket"])["KeyCount"] > 0

    again = run("destroy", "--stage", "dev", "--yes")
    assert (again.returncode, again.stderr) == (0, "")
    assert "Nothing is deployed of the stage dev in us-east-1." in again.stdout

    finally_ = run(
        "destroy", "--stage", "dev", "--yes", "--delete-events", "--bucket", deployed["EventsBucket"]
    )
    assert (finally_.returncode, finally_.stderr) == (0, "")
    assert f"LOST FOR GOOD: the bucket {deployed['EventsBucket']}" in finally_.stdout
    assert deployed["EventsBucket"] not in [b["Name"] for b in client("s3").list_buckets()["Buckets"]]


def test_at_a_terminal_what_is_missing_is_asked_for_checked_and_remembered(deployed, run, clone):
    """A stage of a fresh clone; the person at the terminal mistypes the campaign and refuses the plan."""
    typed = ["my-campaign", CAMPAIGN_ARN, TRACKING_ID, "", "ops@shop.example", "n"]
    ran = run("pipeline", "--stage", "prod", *EMULATED, typed=typed)
    assert (ran.returncode, ran.stderr) == (1, "Nothing was changed.\n")
    assert "CampaignArn is 'my-campaign'; it must look like arn:aws:personalize:" in ran.stdout
    assert "  + AWS::Kinesis::Stream" in ran.stdout
    assert json.loads((clone / ".chalice" / "answers" / "prod.json").read_text()) == {
        "CampaignArn": CAMPAIGN_ARN,
        "EventTrackerId": TRACKING_ID,
        "EventsBucketName": "",
        "NotificationEmail": "ops@shop.example",
    }


def test_what_was_answered_is_not_asked_again_even_where_nobody_can_be(run, clone):
    ran = run("pipeline", "--stage", "prod", *EMULATED)
    assert ran.stderr == "Nothing was changed: --yes is needed where nobody can be asked.\n"
    assert "NotificationEmail: ops@shop.example (as answered before)" in ran.stdout


def test_after_all_is_destroyed_it_can_be_deployed_again(run, clone):
    ran = run("deploy", "--stage", "dev", "--yes", *EMULATED)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "(as answered before)" not in ran.stdout


def test_a_step_that_is_declined_after_others_says_which_were_taken(run):
    """The person at the terminal agrees to the first plan that there is, and not to the second."""
    changed = ["--parameter", "StreamRetentionHours=96"]
    ran = run("deploy", "--stage", "dev", *changed, typed=["y", "n"])
    assert (ran.returncode, ran.stderr) == (1, "Deployed before: the pipeline. The rest is as it was.\n")


def test_the_bucket_that_destroy_has_kept_is_taken_over_by_the_pipeline_too(run, clone, client):
    kept = config(clone)["stages"]["dev"]["environment_variables"]["EVENTS_BUCKET_NAME"]
    client("s3").put_object(Bucket=kept, Key="events/one", Body=b"{}")
    assert run("destroy", "--stage", "dev", "--yes").returncode == 0
    ran = run("pipeline", "--stage", "dev", "--yes", "--parameter", f"EventsBucketName={kept}", *EMULATED)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "EventsBucket  (Import: " in ran.stdout
    assert config(clone)["stages"]["dev"]["environment_variables"]["EVENTS_BUCKET_NAME"] == kept
    again = run("pipeline", "--stage", "dev", "--yes", "--parameter", "StreamRetentionHours=97")
    assert (again.returncode, again.stderr) == (0, "")
    assert "Import" not in again.stdout
    assert client("s3").list_objects_v2(Bucket=kept, Prefix="events/one")["KeyCount"] == 1
