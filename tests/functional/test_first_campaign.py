"""docs/first-campaign.md, run as it is written by a shell in which ``aws`` only notes how it was called."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import aws_cli

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "first-campaign.md").read_text("utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
AWS = '''#!{python}
"""Notes a call and prints what the next one needs. What was deleted cannot be described any more."""
import json, pathlib, sys

words = sys.argv[1:]
log = pathlib.Path("calls.jsonl")
earlier = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
with log.open("a") as file:
    file.write(json.dumps(words) + "\\n")
service, command = words[:2]
if ["delete-" + command.removeprefix("describe-"), *words[2:4]] in [call[1:4] for call in earlier]:
    sys.exit("An error occurred (ResourceNotFoundException) when calling " + command)
query = words[words.index("--query") + 1] if "--query" in words else ""
if query.endswith("status"):
    print("ACTIVE" if [call for call in earlier if call == words] else "CREATE IN_PROGRESS")
elif query == "Account":
    print("111122223333")
elif query:
    print("arn:aws:" + service + ":us-east-1:111122223333:" + command.removeprefix("create-") + "/shop")
'''
NOTES = '#!/bin/sh\nprintf "%s\\n" "$*" >> "{name}.txt"\n'


def run(script, folder):
    """Run a script in a shell of its own, with the programs of a folder. Return how it ended."""
    return subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=folder,
        env={"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The folder in which every block of the document has run, one after another in one shell."""
    folder = tmp_path_factory.mktemp("campaign")
    programs = {"aws": AWS.replace("{python}", sys.executable)}
    programs |= {name: NOTES.replace("{name}", name) for name in ("make", "sleep", "rm")}
    (folder / "bin").mkdir()
    for name, text in programs.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    ended = run("\n".join(BLOCKS), folder)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    return folder


@pytest.fixture(scope="module")
def calls(ran):
    return [json.loads(line) for line in (ran / "calls.jsonl").read_text().splitlines()]


def test_every_call_is_one_that_aws_takes(ran, calls):
    assert len(calls) > 40
    for words in calls:
        aws_cli.check(words, ran)


def test_every_block_of_the_document_is_run():
    assert len(BLOCKS) == len(re.findall(r"^```", DOCUMENT, re.MULTILINE)) / 2
    assert not re.findall(r"^    +aws ", DOCUMENT, re.MULTILINE)


def test_the_steps_make_what_they_need_in_this_order(calls):
    made = [command.removeprefix("create-") for _, command, *_ in calls if command.startswith("create-")]
    assert made == [
        "role",
        "dataset-group",
        "schema",
        "dataset",
        "dataset-import-job",
        "event-tracker",
        "solution",
        "solution-version",
        "campaign",
        "dataset-group",
        "schema",
        "recommender",
    ]


def test_everything_that_was_made_is_waited_for_and_removed(calls):
    """A schema is there at once; an import job and a solution version go with what they belong to."""
    commands = [command for _, command, *_ in calls]
    made = {command.removeprefix("create-") for command in commands if command.startswith("create-")}
    assert made - {"schema", "role"} <= {command.removeprefix("describe-") for command in commands}
    removed = {command.removeprefix("delete-") for command in commands if command.startswith("delete-")}
    assert made - removed == {"dataset-import-job", "solution-version"}


def test_the_two_values_reach_the_deployment(ran):
    deployed, *checks, destroyed = (ran / "make.txt").read_text().splitlines()
    campaign = "arn:aws:personalize:us-east-1:111122223333:campaign/shop"
    assert deployed.startswith("deploy-stack STAGE=prod ARGS=")
    assert f"CampaignArn={campaign}" in deployed and "EventTrackerId=" in deployed
    assert checks == ["doctor STAGE=prod", "verify STAGE=prod"] and destroyed == "destroy STAGE=prod"


def test_the_campaign_is_removed_first(calls):
    removed = [command for _, command, *_ in calls if command.startswith("delete-")]
    assert removed[:2] == ["delete-campaign", "delete-recommender"]
    text = DOCUMENT.partition("## Remove everything")[2]
    assert text.index("delete-campaign") < text.index("make destroy")


def test_a_command_that_asks_has_a_block_of_its_own():
    asking = [block for block in BLOCKS if re.search(r"^make ", block, re.MULTILINE)]
    assert len(asking) == 4 and all(block.count("\n") == 1 for block in asking)


def test_no_block_has_a_comment_which_zsh_would_run():
    assert not re.search(r"(^|\s)#", "\n".join(BLOCKS))


def test_no_variable_is_one_that_zsh_keeps_for_itself():
    assert not re.search(r"\b(status|path|argv|pipestatus)=", "\n".join(BLOCKS))


def test_a_new_shell_can_remove_what_another_has_made(ran):
    """``rm`` only notes its words, so the file is still there."""
    [removal] = [block for block in BLOCKS if "delete-campaign" in block]
    ended = run(f"{removal}\necho $CAMPAIGN_ARN $RECOMMENDER_ARN $BUCKET $AWS_DEFAULT_REGION", ran)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == [
        "arn:aws:personalize:us-east-1:111122223333:campaign/shop",
        "arn:aws:personalize:us-east-1:111122223333:recommender/shop",
        "shop-personalize-111122223333",
        "us-east-1",
    ]


@pytest.mark.parametrize(
    ("function", "command", "said"),
    [
        (
            "wait_until_gone",
            "echo 'ExpiredTokenException: renew' >&2; exit 255",
            "Not known whether it is gone",
        ),
        ("wait_until_gone", "echo DELETE FAILED", "It is DELETE FAILED"),
        ("wait_until_active", "echo CREATE FAILED", "It is CREATE FAILED"),
        ("wait_until_gone", "echo ResourceNotFoundException >&2; exit 254", ""),
    ],
)
def test_waiting_ends_at_a_failure_and_says_so(tmp_path, function, command, said):
    [defined] = re.findall(rf"^{function}\(\) {{.*?^}}$", DOCUMENT, re.MULTILINE | re.DOTALL)
    (tmp_path / "describe").write_text(f"{command}\n")
    ended = run(f"{defined}\n{function} sh describe", tmp_path)
    assert (ended.returncode == 0) is not bool(said)
    assert said in ended.stderr


def test_policies_and_schema_are_those_of_this_bucket_and_file(ran):
    policies = {path.name: json.loads(path.read_text()) for path in ran.glob("*-policy.json")}
    assert set(policies) == {"bucket-policy.json", "trust-policy.json", "role-policy.json"}
    for policy in policies.values():
        assert policy["Version"] == "2012-10-17"
    read = {
        resource
        for statement in policies["role-policy.json"]["Statement"]
        for resource in [statement["Resource"]]
    }
    assert read == {
        "arn:aws:s3:::shop-personalize-111122223333",
        "arn:aws:s3:::shop-personalize-111122223333/*",
    }
    schema = json.loads((ran / "schema.json").read_text())
    header = (ROOT / "local" / "catalogue" / "interactions.csv").read_text().splitlines()[0]
    assert [field["name"] for field in schema["fields"]] == header.split(",")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("personalize create-campaigns --name x", "has no command"),
        ("personalize create-campaign --name x", "Missing required parameter"),
        ("personalize create-schema --name x --schema y --kind z", "has no option kind"),
        ("personalize create-dataset-group --name x --domain SHOP", "is one of"),
        ("personalize create-dataset-group --name x --query datasetGroup.status", "has no datasetGroup"),
        ("personalize delete-campaign --campaign-arn", "has no value"),
        ("s3 sync . s3://x", "aws s3 sync"),
    ],
)
def test_a_wrong_call_would_be_found(call, said, tmp_path):
    with pytest.raises(aws_cli.WrongCallError, match=said):
        aws_cli.check(call.split(), tmp_path)
