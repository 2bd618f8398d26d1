"""A bucket that a removed stage has left is taken over, after a question, and never anybody else's."""

from contextlib import ExitStack
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ops.archive_bucket import Takeover, find_takeover
from ops.errors import DeclinedError, InputError, StackError
from ops.locate import Deployment, Flow
from ops.packaging.bundle import ROOT
from ops.packaging.templates import Templates
from ops.terminal import Terminal

NAMED = {"EventsBucketName": "kept"}
HEAD = {"Bucket": "kept", "ExpectedBucketOwner": "111122223333"}


@pytest.fixture
def scripted():
    """A session whose clients are scripted, and the scripts by service."""
    session: Any = boto3.Session(region_name="us-east-1")
    clients = {name: session.client(name) for name in ("sts", "s3", "cloudformation")}
    session.client = clients.__getitem__
    with ExitStack() as entered:
        stubs = {name: entered.enter_context(Stubber(client)) for name, client in clients.items()}
        stubs["sts"].add_response("get_caller_identity", {"Account": "111122223333"})
        yield session, stubs
        for stub in stubs.values():
            stub.assert_no_pending_responses()


def terminal(agreed=True, said=None):
    def confirm(plan):
        if agreed is None:
            raise DeclinedError("--yes is needed where nobody can be asked.")
        return agreed

    return Terminal((said if said is not None else []).append, confirm, None)


def no_stack(stubs):
    stubs["cloudformation"].add_client_error(
        "describe_stack_resources", "ValidationError", "Stack for kept does not exist"
    )


def test_a_bucket_that_does_not_exist_is_made(scripted):
    session, stubs = scripted
    stubs["s3"].add_client_error("head_bucket", "404", "Not Found", 404, None, HEAD)
    assert find_takeover(None, NAMED, session, terminal(agreed=None)) is None


def test_a_bucket_of_ours_is_taken_over_after_a_yes(scripted):
    session, stubs = scripted
    stubs["s3"].add_response("head_bucket", {"BucketRegion": "us-east-1"}, HEAD)
    no_stack(stubs)
    said: list[str] = []
    assert find_takeover(None, NAMED, session, terminal(said=said)) == Takeover("kept")
    assert "The bucket kept exists and is yours" in said[0]


@pytest.mark.parametrize("agreed", [False, None])
def test_without_a_yes_it_is_an_error_with_the_remedy(scripted, agreed):
    session, stubs = scripted
    stubs["s3"].add_response("head_bucket", {}, HEAD)
    no_stack(stubs)
    with pytest.raises(DeclinedError) as raised:
        find_takeover(None, NAMED, session, terminal(agreed))
    assert "name another bucket (--parameter EventsBucketName=...)" in str(raised.value)
    assert "for a new one (--parameter EventsBucketName=)" in str(raised.value)
    assert ("--yes is needed" in str(raised.value)) == (agreed is None)


def test_the_bucket_of_another_account_is_never_taken_over(scripted):
    session, stubs = scripted
    stubs["s3"].add_client_error("head_bucket", "403", "Forbidden", 403, None, HEAD)
    with pytest.raises(InputError, match="it is of another account"):
        find_takeover(None, NAMED, session, terminal())


def test_a_bucket_of_another_region_is_refused(scripted):
    session, stubs = scripted
    stubs["s3"].add_response("head_bucket", {"BucketRegion": "eu-west-1"}, HEAD)
    with pytest.raises(InputError, match="is in eu-west-1"):
        find_takeover(None, NAMED, session, terminal())


def test_a_bucket_of_another_stack_is_refused_by_its_name(scripted):
    session, stubs = scripted
    stubs["s3"].add_response("head_bucket", {}, HEAD)
    resource = {
        "StackName": "personalize-api-prod",
        "LogicalResourceId": "EventsBucket",
        "ResourceType": "AWS::S3::Bucket",
        "Timestamp": 0,
        "ResourceStatus": "CREATE_COMPLETE",
    }
    stubs["cloudformation"].add_response(
        "describe_stack_resources", {"StackResources": [resource]}, {"PhysicalResourceId": "kept"}
    )
    with pytest.raises(InputError, match="belongs to the stack personalize-api-prod"):
        find_takeover(None, NAMED, session, terminal())


def deployed(bucket):
    return Deployment("us-east-1", "dev", Flow.ONE_STACK, ("s",), {"EventsBucket": bucket})


def test_a_stack_that_has_a_bucket_takes_no_other(scripted):
    session, stubs = scripted
    stubs["s3"].add_response("head_bucket", {}, HEAD)
    with pytest.raises(InputError, match="the stack has the bucket first"):
        find_takeover(deployed("first"), NAMED, session, terminal())


@pytest.mark.parametrize("values", [{}, {"EventsBucketName": ""}, NAMED])
def test_nobody_is_asked_about_a_generated_name_or_the_stacks_own_bucket(values):
    session = boto3.Session(region_name="us-east-1")
    assert find_takeover(deployed("kept"), values, session, terminal(agreed=None)) is None


def test_the_name_is_a_literal_in_this_one_template_and_the_bucket_is_retained():
    pipeline = Templates.read(ROOT).pipeline
    taken = Takeover("kept").template(pipeline)
    bucket = taken["Resources"]["EventsBucket"]
    assert bucket["Properties"]["BucketName"] == "kept"
    assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain"
    assert pipeline["Resources"]["EventsBucket"]["Properties"]["BucketName"] != "kept"
    others = {name: found for name, found in taken["Resources"].items() if name != "EventsBucket"}
    assert others.items() <= pipeline["Resources"].items()


def change(action, name):
    return {"ResourceChange": {"Action": action, "LogicalResourceId": name, "ResourceType": "T"}}


def test_a_plan_without_the_import_is_not_carried_out():
    careful = Takeover("kept").precautions()
    assert careful.imports_existing
    careful.check([change("Import", "EventsBucket"), change("Add", "EventStream")])
    with pytest.raises(StackError, match="would import nothing instead of EventsBucket"):
        careful.check([change("Add", "EventsBucket")])
    with pytest.raises(StackError, match="would import EventsBucket, QuarantineQueue instead"):
        careful.check([change("Import", "EventsBucket"), change("Import", "QuarantineQueue")])
