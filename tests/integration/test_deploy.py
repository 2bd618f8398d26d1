"""The deployment program against the emulator: create, no change, update, failure. And the emulator."""

import io
import os
import pty
import signal
import socket
import subprocess
import sys
import threading

import boto3
import pytest

from local.emulator import EmulatorError, running_emulator
from local.personalize import CAMPAIGN_ARN, TRACKING_ID
from ops.cloudformation import changes
from ops.cloudformation.stacks import deploy_stack
from ops.errors import AwsError, InputError, StackError
from ops.packaging.bundle import package
from tests.support.calls import run_command
from tests.support.clone import clone_project

STACK = "personalize-api-deploy"
REQUIRED = {"CampaignArn": CAMPAIGN_ARN, "EventTrackerId": TRACKING_ID, "Emulated": "true"}


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    with running_emulator(state_dir=tmp_path_factory.mktemp("emulator")) as running:
        yield running


@pytest.fixture
def session():
    return boto3.Session("test", "test", region_name="us-east-1")


@pytest.fixture
def client(emulator, session):
    clients = []

    def make(service):
        clients.append(session.client(service, endpoint_url=emulator.url))
        return clients[-1]

    yield make
    for made in clients:
        made.close()


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clone: no answer and no deployment of this work tree decides what the program does."""
    return clone_project(tmp_path_factory.mktemp("clone"))


@pytest.fixture
def program(emulator, clone):
    """``program(*arguments)`` runs ``python -m ops`` as a person would, pointed at the emulator."""

    def run(*arguments):
        return run_command(*arguments, endpoint_url=emulator.url, project=clone)

    return run


@pytest.fixture
def deploy(emulator, session):
    """``deploy(**parameters)`` deploys the stack and returns its outputs and the lines it reported."""

    def run(name=STACK, **parameters):
        lines = []
        made = package("dev")
        outputs = deploy_stack(
            made, name, parameters, session, lines.append, endpoint_url=emulator.url, poll_seconds=0.1
        )
        return outputs, lines

    return run


@pytest.fixture
def deployed(deploy):
    return deploy(**REQUIRED)[0]


def status(client, name=STACK):
    return client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]


def test_the_program_creates_a_stack_and_prints_plan_progress_and_outputs(program, client):
    options = [option for name, value in REQUIRED.items() for option in ("--parameter", f"{name}={value}")]
    ran = program("deploy-stack", "--stage", "dev", "--stack-name", "personalize-api-new", "--yes", *options)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "  + AWS::Kinesis::Stream                     EventStream\n" in ran.stdout
    progress = [
        line for line in ran.stdout.splitlines() if "CREATE_COMPLETE" in line and "EventStream" in line
    ]
    assert len(progress) == 1
    outputs = dict(line.split() for line in ran.stdout.split("Outputs:\n")[1].split("\n\n")[0].splitlines())
    assert outputs["EventStreamName"] == "personalize-api-new-events"
    assert outputs["RecommendationsUrl"].startswith(f"https://{outputs['RestAPIId']}.execute-api.us-east-1.")
    assert outputs["RecommendationsUrl"].endswith("/api/recommendations")
    key = client("apigateway").get_api_key(apiKey=outputs["ApiKeyId"], includeValue=True)
    assert len(key["value"]) >= 20
    assert f"/api-keys/{outputs['ApiKeyId']}?" in outputs["ApiKeyConsoleUrl"]
    tags = client("cloudformation").describe_stacks(StackName="personalize-api-new")["Stacks"][0]["Tags"]
    assert {"Key": "stage", "Value": "dev"} in tags


def test_the_program_changes_nothing_without_a_yes(program, client):
    options = [option for name, value in REQUIRED.items() for option in ("--parameter", f"{name}={value}")]
    ran = program("deploy-stack", "--stage", "dev", "--stack-name", "personalize-api-asked", *options)
    assert ran.returncode == 1
    uploads = "personalize-api-deployments-000000000000-us-east-1"
    assert ran.stderr == (
        f"The code is uploaded to s3://{uploads}; nothing else was changed: --yes is needed where nobody can "
        "be asked.\n"
    )
    with pytest.raises(client("cloudformation").exceptions.ClientError, match="does not exist"):
        client("cloudformation").describe_stacks(StackName="personalize-api-asked")


def test_a_missing_parameter_is_named_before_anything_is_made(program):
    ran = program("deploy-stack", "--stage", "dev", "--stack-name", "personalize-api-missing", "--yes")
    assert ran.returncode == 1
    assert ran.stderr.startswith("A value is missing. Give --parameter CampaignArn=...")
    assert "Traceback" not in ran.stderr


def test_deploying_again_is_a_success_that_changes_nothing(deployed, deploy):
    outputs, lines = deploy(**REQUIRED)
    assert outputs == deployed
    assert lines == [f"The stack {STACK} is up to date: no changes."]


def test_the_switch_turns_mapping_and_function_together(deployed, deploy, client):
    function = deployed["DeliverEventsName"]
    for value, types in (("false", []), ("true", ["ReportBatchItemFailures"])):
        deploy(ReportBatchItemFailures=value)
        [mapping] = client("lambda").list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
        configuration = client("lambda").get_function_configuration(FunctionName=function)
        assert mapping.get("FunctionResponseTypes", []) == types
        assert configuration["Environment"]["Variables"]["REPORT_BATCH_ITEM_FAILURES"] == value


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["ReportBatchItemFailures=false", "MonthlyQuota=77"], "this plan also changes UsagePlan."),
        (["ShardCount=4096"], "and Kinesis changes them to"),
    ],
)
def test_what_aws_would_carry_out_with_loss_is_refused(deployed, program, client, given, sentence):
    command = ("deploy-stack", "--stage", "dev", "--stack-name", STACK, "--yes")
    assert program(*command).returncode == 0  # the tags, which the fixture does not set
    ran = program(*command, *[option for item in given for option in ("--parameter", item)])
    assert ran.returncode == 1
    assert sentence in ran.stderr
    function = deployed["DeliverEventsName"]
    configuration = client("lambda").get_function_configuration(FunctionName=function)
    assert configuration["Environment"]["Variables"]["REPORT_BATCH_ITEM_FAILURES"] == "true"


def test_failed_items_are_reported_only_to_an_event_source_that_reads_them(deployed, deploy, program):
    deploy(ReportBatchItemFailures="false")
    command = ("deploy-stack", "--stage", "dev", "--stack-name", STACK, "--yes")
    assert program(*command).returncode == 0  # the tags, which the fixture does not set
    ran = program(*command, "--parameter", "ReportBatchItemFailures=true")
    assert (ran.returncode, ran.stderr) == (0, "")
    said = ran.stdout
    assert said.index("Having the event source read") < said.index("UPDATE_COMPLETE")


def test_an_update_keeps_the_parameters_that_are_not_given(deployed, deploy, client):
    _, lines = deploy(MonthlyQuota="1000")
    assert any("UPDATE_COMPLETE" in line and "UsagePlan" in line for line in lines)
    parameters = client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]["Parameters"]
    values = {p["ParameterKey"]: p["ParameterValue"] for p in parameters}
    assert values["MonthlyQuota"] == "1000"
    assert values["CampaignArn"] == CAMPAIGN_ARN


def named(name):
    return CAMPAIGN_ARN.replace("local", name)


FILTERS = "arn:aws:personalize:us-east-1:000000000000:filter/*"


def test_campaigns_that_are_given_may_be_asked_and_those_taken_away_may_not(deployed, deploy, client):
    """What the emulator makes of the conditions and of the joined list is what IAM gets."""

    def resource(name):
        found = client("cloudformation").describe_stack_resource(StackName=STACK, LogicalResourceId=name)
        return found["StackResourceDetail"]["PhysicalResourceId"]

    def may_ask():
        role = resource("ApiHandlerRole")
        policy = client("iam").get_role_policy(RoleName=role, PolicyName="api-handler")["PolicyDocument"]
        return [
            (statement["Action"][0].removeprefix("personalize:"), statement["Resource"])
            for statement in policy["Statement"]
            if statement["Action"][0].startswith("personalize:")
        ]

    assert may_ask() == [("GetRecommendations", [CAMPAIGN_ARN, FILTERS])]
    others = f"{named('similar')},{named('popular')}"
    deploy(OtherCampaignArns=others, RankingCampaignArn=named("ranking"))
    assert may_ask() == [
        ("GetRecommendations", [CAMPAIGN_ARN, FILTERS]),
        ("GetRecommendations", [*others.split(","), FILTERS]),
        ("GetPersonalizedRanking", [named("ranking"), FILTERS]),
        ("GetPersonalizedRanking", [*others.split(","), FILTERS]),
        ("GetActionRecommendations", [*others.split(","), FILTERS]),
    ]
    configuration = client("lambda").get_function_configuration(FunctionName=resource("APIHandler"))
    variables = configuration["Environment"]["Variables"]
    assert variables["OTHER_CAMPAIGN_ARNS"] == others
    assert variables["RANKING_CAMPAIGN_ARN"] == named("ranking")
    assert variables["ACTION_CAMPAIGN_ARN"] == ""
    deploy(OtherCampaignArns="", RankingCampaignArn="")
    assert may_ask() == [("GetRecommendations", [CAMPAIGN_ARN, FILTERS])]


def test_a_failing_update_gives_the_reason_and_leaves_the_stack_as_it_was(deployed, deploy, client):
    client("s3").create_bucket(Bucket="taken-by-somebody")
    with pytest.raises(StackError) as raised:
        deploy(EventsBucketName="taken-by-somebody")
    assert str(raised.value) == (
        f"The stack {STACK} could not be deployed. EventsBucket (AWS::S3::Bucket): Resource of type "
        "'AWS::S3::Bucket' with identifier 'taken-by-somebody' already exists.\n"
        "The stack is rolled back and works as before."
    )
    assert status(client) == "UPDATE_ROLLBACK_COMPLETE"
    assert deploy()[0] == deployed


def test_a_stack_whose_creation_failed_says_how_to_go_on(deploy, client):
    client("s3").create_bucket(Bucket="taken-by-another")
    with pytest.raises(StackError, match=r"taken-by-another.* already exists"):
        deploy("personalize-api-failed", **REQUIRED, EventsBucketName="taken-by-another")
    with pytest.raises(StackError, match=r"ROLLBACK_COMPLETE and cannot be changed.*delete-stack"):
        deploy("personalize-api-failed", **REQUIRED)
    client("cloudformation").delete_stack(StackName="personalize-api-failed")
    assert "EventStreamName" in deploy("personalize-api-failed", **REQUIRED)[0]


def test_a_malformed_parameter_is_refused_with_the_form_it_should_have(deployed, deploy):
    with pytest.raises(InputError, match="must look like arn:aws:personalize"):
        deploy(CampaignArn="my-campaign")


def test_a_large_template_goes_through_the_bucket(deployed, deploy, monkeypatch):
    monkeypatch.setattr(changes, "INLINE_LIMIT", 1000)
    assert deploy(ThrottleBurstLimit="7")[0] == deployed


def test_the_code_is_uploaded_once_to_a_private_bucket(deployed, deploy, client):
    bucket = "personalize-api-deployments-000000000000-us-east-1"
    deploy(ThrottleBurstLimit="8")
    keys = [entry["Key"] for entry in client("s3").list_objects_v2(Bucket=bucket)["Contents"]]
    assert len([key for key in keys if key.startswith(f"{STACK}/") and key.endswith(".zip")]) == 1
    blocked = client("s3").get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert all(blocked.values())
    assert client("s3").get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"


def test_code_that_somebody_else_put_under_our_key_is_not_deployed(deployed, deploy, client):
    bucket = "personalize-api-deployments-000000000000-us-east-1"
    zips = client("s3").list_objects_v2(Bucket=bucket, Prefix=f"{STACK}/")["Contents"]
    [key] = [entry["Key"] for entry in zips if entry["Key"].endswith(".zip")]
    client("s3").put_object(Bucket=bucket, Key=key, Body=b"evil")
    deploy(ThrottleBurstLimit="9")
    content = client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    assert content == package("dev").zip_path.read_bytes()
    template = client("cloudformation").get_template(StackName=STACK, TemplateStage="Original")
    code = template["TemplateBody"]["Resources"]["DeliverEvents"]["Properties"]["CodeUri"]
    current = client("s3").head_object(Bucket=bucket, Key=key)["VersionId"]
    assert code == {"Bucket": bucket, "Key": key, "Version": current}


def test_a_campaign_of_another_region_is_refused_before_anything_is_made(program):
    ran = program(
        *("deploy-stack", "--stage", "dev", "--stack-name", "personalize-api-far", "--region", "eu-west-1"),
        *("--yes", "--parameter", f"CampaignArn={CAMPAIGN_ARN}", "--parameter", "EventTrackerId=1"),
    )
    assert ran.returncode == 1
    assert ran.stderr == (
        "The campaign local is in us-east-1, and this would deploy to eu-west-1. They have to be the same: "
        "add --region us-east-1, or name a campaign of eu-west-1.\n"
    )


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            f"RankingCampaignArn={named('ranking').replace('us-east-1', 'eu-west-1')}",
            "The campaign ranking is in eu-west-1, and this would deploy to us-east-1.",
        ),
        (f"OtherCampaignArns={CAMPAIGN_ARN}", "Two campaigns have the name 'local'"),
        (
            "OtherCampaignArns=" + ",".join(named(f"c{number}") for number in range(70)),
            "and Lambda takes 4,096. The longest is OTHER_CAMPAIGN_ARNS: shorten it. Give --parameter Other",
        ),
    ],
)
def test_campaigns_that_the_functions_could_not_ask_are_refused_before_anything_is_made(
    program, given, sentence
):
    ran = program(
        *("deploy-stack", "--stage", "dev", "--stack-name", "personalize-api-others", "--yes"),
        *("--parameter", f"CampaignArn={CAMPAIGN_ARN}", "--parameter", "EventTrackerId=1"),
        *("--parameter", given),
    )
    assert ran.returncode == 1
    assert sentence in ran.stderr
    assert "uploaded" not in ran.stderr


def test_without_credentials_the_first_thing_said_is_how_to_sign_in(program, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    ran = program("deploy-stack", "--stage", "dev", "--yes")
    assert ran.returncode == 1
    assert ran.stderr.startswith("No AWS credentials were found. Sign in")


def test_the_one_stack_is_destroyed_with_its_events_when_asked(deploy, program, client):
    outputs, _ = deploy("personalize-api-gone", **REQUIRED)
    client("s3").put_object(Bucket=outputs["EventsBucket"], Key="events/one", Body=b"{}")
    arguments = ("destroy", "--stage", "dev", "--stack-name", "personalize-api-gone", "--yes")
    ran = program(*arguments, "--delete-events")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "  - stack personalize-api-gone\n" in ran.stdout
    assert (
        f"LOST FOR GOOD: the bucket {outputs['EventsBucket']} with every event in it (1 objects)."
        in ran.stdout
    )
    with pytest.raises(client("cloudformation").exceptions.ClientError, match="does not exist"):
        status(client, "personalize-api-gone")
    assert outputs["EventsBucket"] not in [b["Name"] for b in client("s3").list_buckets()["Buckets"]]
    assert "Nothing is deployed" in program(*arguments).stdout


def test_the_events_that_destroy_has_kept_are_taken_over_by_the_next_deployment(program, client):
    name, stack = "kept-by-destroy", "personalize-api-again"
    command = ("deploy-stack", "--stage", "dev", "--stack-name", stack)
    options = [option for item in REQUIRED.items() for option in ("--parameter", "=".join(item))]
    options += ["--parameter", f"EventsBucketName={name}"]
    assert program(*command, "--yes", *options).returncode == 0
    client("s3").put_object(Bucket=name, Key="events/one", Body=b"{}")
    destroyed = program("destroy", "--stage", "dev", "--stack-name", stack, "--yes")
    assert f"Kept: the bucket {name}" in destroyed.stdout

    asked = program(*command, *options)
    assert asked.returncode == 1
    assert f"The bucket {name} exists and is yours" in asked.stdout
    assert asked.stderr == (
        "Nothing was changed: --yes is needed where nobody can be asked. To deploy without kept-by-destroy, "
        "name another bucket (--parameter EventsBucketName=...), or leave the name empty for a new one "
        "(--parameter EventsBucketName=).\n"
    )

    ran = program(*command, "--yes", *options)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "EventsBucket  (Import: the one that exists is taken over with what it holds)" in ran.stdout
    assert client("s3").list_objects_v2(Bucket=name, Prefix="events/")["KeyCount"] == 1
    assert client("s3").get_bucket_versioning(Bucket=name)["Status"] == "Enabled"

    later = program(*command, "--yes", "--parameter", "MonthlyQuota=5")
    assert (later.returncode, later.stderr) == (0, "")
    assert "Import" not in later.stdout
    template = client("cloudformation").get_template(StackName=stack, TemplateStage="Original")
    bucket = template["TemplateBody"]["Resources"]["EventsBucket"]
    assert bucket["Properties"]["BucketName"]["Fn::If"][1] == {"Ref": "EventsBucketName"}
    assert bucket["DeletionPolicy"] == "RetainExceptOnCreate"
    assert client("s3").list_objects_v2(Bucket=name, Prefix="events/")["KeyCount"] == 1


def test_a_key_is_rotated_without_a_moment_in_which_clients_are_refused(program, client):
    stack = ("--stage", "dev", "--stack-name", "personalize-api-keys", "--yes")
    options = [option for item in REQUIRED.items() for option in ("--parameter", "=".join(item))]
    assert program("deploy-stack", *stack, *options).returncode == 0
    gateway = client("apigateway")
    described = client("cloudformation").describe_stacks(StackName="personalize-api-keys")["Stacks"][0]
    old = {o["OutputKey"]: o["OutputValue"] for o in described["Outputs"]}["ApiKeyId"]

    too_early = program("rotate-key", *stack, "--retire", old)
    assert too_early.returncode == 1
    assert "is the only key of the usage plan" in too_early.stderr

    made = program("rotate-key", *stack)
    assert (made.returncode, made.stderr) == (0, "")
    [new] = [k["id"] for k in gateway.get_api_keys(nameQuery="personalize-api-keys-rotated-")["items"]]
    assert f"make rotate-key STAGE=dev ARGS='--retire {old}'" in made.stdout
    assert f"--api-key {new}" in made.stdout
    value = gateway.get_api_key(apiKey=new, includeValue=True)["value"]
    assert value not in made.stdout
    resources = client("cloudformation").describe_stack_resource(
        StackName="personalize-api-keys", LogicalResourceId="UsagePlan"
    )
    plan = resources["StackResourceDetail"]["PhysicalResourceId"]
    assert {k["id"] for k in gateway.get_usage_plan_keys(usagePlanId=plan)["items"]} == {old, new}
    unknown = program("rotate-key", *stack, "--key", "nobody")
    assert "The key nobody is in no usage plan of this API." in unknown.stderr

    retired = program("rotate-key", *stack, "--retire", old)
    assert (retired.returncode, retired.stderr) == (0, "")
    enabled = {key: gateway.get_api_key(apiKey=key)["enabled"] for key in (old, new)}
    assert enabled == {old: False, new: True}
    assert program("rotate-key", *stack, "--retire", new).returncode == 1

    gone = program("destroy", *stack)
    assert (gone.returncode, gone.stderr) == (0, "")
    assert f"  - API keys that rotate-key made: {new}\n" in gone.stdout
    assert new not in [key["id"] for key in gateway.get_api_keys()["items"]]


def test_a_protected_stack_is_removed_only_when_its_protection_is_lifted(program, client):
    stack = ("--stage", "prod", "--stack-name", "personalize-api-guarded", "--yes")
    options = [option for item in REQUIRED.items() for option in ("--parameter", "=".join(item))]
    deployed = program("deploy-stack", *stack, *options)
    assert "The stack personalize-api-guarded has termination protection" in deployed.stdout
    cloudformation = client("cloudformation")
    with pytest.raises(cloudformation.exceptions.ClientError, match="TerminationProtection is enabled"):
        cloudformation.delete_stack(StackName="personalize-api-guarded")

    refused = program("destroy", *stack)
    assert refused.returncode == 1
    assert refused.stderr == (
        "Nothing was removed: personalize-api-guarded has termination protection. To lift it:\n"
        "  aws cloudformation update-termination-protection --no-enable-termination-protection "
        "--stack-name personalize-api-guarded --region us-east-1\nThen run this again.\n"
    )
    cloudformation.update_termination_protection(
        StackName="personalize-api-guarded", EnableTerminationProtection=False
    )
    gone = program("destroy", *stack)
    assert (gone.returncode, gone.stderr) == (0, "")
    uploads = "personalize-api-deployments-000000000000-us-east-1"
    assert (
        f"  - the uploaded code and templates (2 versions) in the bucket {uploads}, which stays"
        in gone.stdout
    )
    versions = client("s3").list_object_versions(Bucket=uploads, Prefix="personalize-api-guarded/")
    assert versions.get("Versions", []) == []


def test_a_stack_that_failed_to_be_made_can_be_destroyed(deploy, program, client):
    client("s3").create_bucket(Bucket="taken-by-a-third")
    with pytest.raises(StackError):
        deploy("personalize-api-stuck", **REQUIRED, EventsBucketName="taken-by-a-third")
    ran = program("destroy", "--stage", "dev", "--stack-name", "personalize-api-stuck", "--yes")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "EventStreamName" in deploy("personalize-api-stuck", **REQUIRED)[0]


def interrupted_after(words, arguments, environment, stdin, project):
    """Start the program, press Ctrl-C once it has said ``words``; its exit status and all that it said."""
    with subprocess.Popen(
        [sys.executable, "-m", "ops", *arguments],
        cwd=project,
        env=environment,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as started:
        assert isinstance(started.stdout, io.BufferedReader)
        said = b""
        while words.encode() not in said:
            piece = started.stdout.read1()
            assert piece, said
            said += piece
        started.send_signal(signal.SIGINT)
        # Python sees a signal between a prompt and the reading of its answer only when the next one comes.
        again = threading.Timer(5, started.send_signal, [signal.SIGINT])
        again.start()
        said += started.stdout.read()
        again.cancel()
        return started.wait(60), said.decode()


def test_interrupted_at_the_question_nothing_is_left(emulator, client, clone):
    controller, terminal = pty.openpty()
    given = [f"{name}={value}" for name, value in REQUIRED.items()]
    given += ["EventsBucketName=", "NotificationEmail="]
    options = [option for item in given for option in ("--parameter", item)]
    arguments = ["deploy-stack", "--stage", "dev", "--stack-name", "personalize-api-unasked", *options]
    environment = os.environ | {"AWS_ENDPOINT_URL": emulator.url}
    status, said = interrupted_after("Carry it out?", arguments, environment, terminal, clone)
    os.close(controller)
    os.close(terminal)
    assert status == 130
    assert "Interrupted." in said
    assert "Traceback" not in said
    with pytest.raises(client("cloudformation").exceptions.ClientError, match="does not exist"):
        client("cloudformation").describe_stacks(StackName="personalize-api-unasked")


def test_interrupted_in_the_middle_the_same_command_goes_on(emulator, program, clone):
    options = [option for name, value in REQUIRED.items() for option in ("--parameter", f"{name}={value}")]
    arguments = ["deploy-stack", "--stage", "dev", "--stack-name", "personalize-api-cut", "--yes", *options]
    environment = os.environ | {"AWS_ENDPOINT_URL": emulator.url}
    status, said = interrupted_after("CREATE_", arguments, environment, subprocess.DEVNULL, clone)
    assert status == 130
    # The emulator may be done by the time of the signal.
    assert "run the same command again" in said or "Check the deployment: " in said
    assert "Traceback" not in said
    for _ in range(20):
        ran = program(*arguments)
        assert "Traceback" not in ran.stderr
        if ran.returncode == 0:
            break
        assert "Another change is under way: wait for its end" in ran.stderr
    assert ran.returncode == 0


def test_an_emulator_that_is_not_there_is_a_sentence(session):
    with pytest.raises(AwsError, match="AWS could not be reached"):
        deploy_stack(package("dev"), STACK, REQUIRED, session, print, endpoint_url="http://127.0.0.1:9")


def test_a_taken_port_is_named(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(EmulatorError, match=f"Port {port} on 127.0.0.1 is taken"),
            running_emulator(port=port, state_dir=tmp_path),
        ):
            pass


def test_the_emulator_remembers_and_leaves_nothing_running(tmp_path, session):
    for expected in ([], ["kept"]):
        with running_emulator(state_dir=tmp_path) as emulator:
            s3 = session.client("s3", endpoint_url=emulator.url)
            assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == expected
            if not expected:
                s3.create_bucket(Bucket="kept")
            s3.close()
        assert emulator.process.poll() is not None
