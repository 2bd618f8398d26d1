"""What CI runs, against the emulator: no call is made that the role of CI may not make.

test_ci_policies.py holds the role against every call that stands in the code. Here the calls are
recorded where botocore makes them.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient

from local.emulator import running_emulator
from local.personalize import CAMPAIGN_ARN, TRACKING_ID
from ops import cli
from tests.support.ci_rights import calls_of_ops, right_of
from tests.support.iam import actions_of, matches

ROLE = json.loads((Path(__file__).parents[2] / "resources" / "ci-role.json").read_text("utf-8"))
BOUNDARY = "arn:aws:iam::000000000000:policy/personalize-api-boundary"
PARAMETERS = {
    "CampaignArn": CAMPAIGN_ARN,
    "EventTrackerId": TRACKING_ID,
    "PermissionsBoundaryArn": BOUNDARY,
    # The emulator's event source ignores FunctionResponseTypes, so failures have to be raised.
    "ReportBatchItemFailures": "false",
    # It takes no alarm on a calculated metric either.
    "Emulated": "true",
}
NAME = ("--stage", "prod", "--stack-name", "personalize-api-ci")


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    with running_emulator(state_dir=tmp_path_factory.mktemp("emulator")) as running:
        yield running


@pytest.fixture
def made(emulator, monkeypatch):
    """The calls to AWS, as (service, operation, arguments)."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator.url)
    calls = []
    client_class: Any = BaseClient
    make = client_class._make_api_call

    def record(client, operation, arguments):
        calls.append((client.meta.service_model.service_name, operation, arguments))
        return make(client, operation, arguments)

    monkeypatch.setattr(client_class, "_make_api_call", record)
    return calls


def deploy(**parameters):
    given = [word for name, value in parameters.items() for word in ("--parameter", f"{name}={value}")]
    return cli.main(["deploy-stack", *NAME, "--yes", *given])


def test_every_call_of_the_job_is_one_that_its_role_allows(made, emulator, capsys):
    assert deploy(**PARAMETERS) == 0, capsys.readouterr()
    assert deploy(MonthlyQuota="1000") == 0, "an update"
    assert deploy() == 0, "nothing to change"
    assert cli.main(["doctor", *NAME]) == 0, capsys.readouterr()
    calls = {(service, operation) for service, operation, _ in made}
    assert {
        ("cloudformation", "CreateChangeSet"),
        ("s3", "PutObject"),
        ("sns", "ListSubscriptionsByTopic"),
    } <= calls
    assert calls <= calls_of_ops()
    allowed = [*actions_of(ROLE)]
    denied = {
        right_of(*call) for call in calls if not any(matches(pattern, right_of(*call)) for pattern in allowed)
    }
    assert denied == set()
