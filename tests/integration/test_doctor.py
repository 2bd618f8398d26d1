"""Doctor as the command an operator runs, against the running stack, healthy and not."""

import re
from pathlib import Path

import pytest

from tests.support.calls import run_command

ROOT = Path(__file__).parents[2]


@pytest.fixture
def doctor(stack):
    """``doctor()`` runs the command and answers its exit status and its lines by the first words of each."""

    def run(*arguments):
        ran = run_command("doctor", *arguments, endpoint_url=stack.stack.awsEndpointUrl)
        assert "Traceback" not in ran.stdout + ran.stderr
        return ran.returncode, ran.stdout, ran.stderr

    return run


NAMED = ("--stack-name", "personalize-api-local")


def test_a_healthy_stack_is_well_in_everything_the_emulator_can_tell(doctor):
    status, out, err = doctor(*NAMED)
    assert err == ""
    assert "ok  The event source is enabled and has its settings.\n" in out
    assert "ok  The quarantine is empty.\n" in out
    assert "ok  The API key is in a usage plan of the API.\n" in out
    # The local stack has no address to send alarms to, and the emulator no control plane of Personalize.
    assert "??  Nobody is told of alarms. -> Deploy with --parameter NotificationEmail=...\n" in out
    assert "??  Campaigns and event tracker could not be checked. -> " in out
    assert "??  The filters could not be checked. -> " in out
    assert re.search(r"(?m)^ok  The variables take [\d,]+ of the 4,096 bytes of a function\.$", out)
    assert len(out.splitlines()) == 7
    assert "!!" not in out
    assert status == 0


def test_strictly_everything_has_to_be_well(doctor):
    status, out, _ = doctor(*NAMED, "--strict")
    assert "!!" not in out
    assert status == 1


def test_what_is_not_well_is_told_with_its_remedy(doctor, stack, eventually):
    gateway, functions, sqs = (stack.client(name) for name in ("apigateway", "lambda", "sqs"))
    keys = gateway.get_api_keys(includeValues=True)["items"]
    [key] = [k for k in keys if k["value"] == stack.stack.apiKey]
    [mapping] = functions.list_event_source_mappings()["EventSourceMappings"]
    gateway.update_api_key(
        apiKey=key["id"], patchOperations=[{"op": "replace", "path": "/enabled", "value": "false"}]
    )
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    sqs.send_message(QueueUrl=stack.stack.quarantineQueueUrl, MessageBody="x")
    try:
        status, out, _ = doctor(*NAMED)
    finally:
        gateway.update_api_key(
            apiKey=key["id"], patchOperations=[{"op": "replace", "path": "/enabled", "value": "true"}]
        )
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
        sqs.purge_queue(QueueUrl=stack.stack.quarantineQueueUrl)
    assert status == 1
    assert f"-> aws lambda update-event-source-mapping --enabled --uuid {mapping['UUID']}\n" in out
    assert "??  The quarantine holds 1 messages. -> See why with 'make redrive ARGS=--dry-run'" in out
    assert "!!  The API key is disabled." in out


def test_a_subscription_to_alarms_is_well(doctor, stack):
    sns = stack.client("sns")
    [topic] = [t["TopicArn"] for t in sns.list_topics()["Topics"] if "AlarmTopic" in t["TopicArn"]]
    subscribed = sns.subscribe(
        TopicArn=topic, Protocol="email", Endpoint="ops@shop.example", ReturnSubscriptionArn=True
    )
    _, out, _ = doctor(*NAMED)
    sns.unsubscribe(SubscriptionArn=subscribed["SubscriptionArn"])
    # The emulator confirms by itself; tests/functional/test_doctor.py has the other case.
    assert "ok  Alarms are sent to a confirmed address.\n" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--stage", "prod"], "The stage prod is not deployed in us-east-1, or not whole."),
        (["--stage", "nowhere"], "There is no stage 'nowhere'"),
        (["--profile", "nobody"], "list-profiles"),
    ],
)
def test_a_wrong_argument_is_a_sentence(doctor, arguments, sentence):
    status, _, err = doctor(*arguments)
    assert status == 1
    assert sentence in err
