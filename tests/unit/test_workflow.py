"""The workflow runs what a developer runs, on every supported Python, and no code that can change unseen."""

import json
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "check.yml"
EXAMPLE = ROOT / "docs" / "deploy-workflow.yml"
DEPLOY = (ROOT / "docs" / "deploy.md").read_text("utf-8")


@pytest.fixture
def workflow():
    return yaml.safe_load(WORKFLOW.read_text("utf-8"))


def test_it_runs_ci_run_on_every_python_that_the_makefile_takes(workflow):
    makefile = (ROOT / "Makefile").read_text("utf-8")
    [(first, last)] = re.findall(r"\(3, (\d+)\) <= sys\.version_info\[:2\] <= \(3, (\d+)\)", makefile)
    strategy = workflow["jobs"]["check"]["strategy"]
    assert strategy["matrix"]["python"] == [f"3.{minor}" for minor in range(int(first), int(last) + 1)]
    assert strategy["fail-fast"] is False
    assert {"run": ".ci/run"} in workflow["jobs"]["check"]["steps"]


def test_it_may_read_the_code_and_knows_no_secret(workflow):
    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets" not in WORKFLOW.read_text("utf-8")


@pytest.mark.parametrize("path", [WORKFLOW, EXAMPLE], ids=lambda path: path.name)
def test_every_action_is_pinned_by_its_commit_with_the_version_beside_it(path):
    used = re.findall(r"uses: *(.*)", path.read_text("utf-8"))
    assert used
    assert [line for line in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


@pytest.fixture
def example():
    return yaml.safe_load(EXAMPLE.read_text("utf-8"))


def test_the_tests_run_without_credentials_and_before_the_deployment(example):
    check, deploy = example["jobs"]["check"], example["jobs"]["deploy"]
    assert example["permissions"] == {"contents": "read"}
    assert "permissions" not in check
    assert "environment" not in check
    assert deploy["needs"] == "check"
    assert deploy["permissions"] == {"contents": "read", "id-token": "write"}
    assert deploy["environment"] == "prod"
    assert "make check" in [step.get("run") for step in check["steps"]]
    assert "credentials@" not in str(check)
    assert example[True] == {"push": {"branches": ["main"]}}  # YAML 1.1 reads "on" as true
    assert "secrets" not in EXAMPLE.read_text("utf-8")


def test_the_deployment_packages_before_it_has_credentials(example):
    steps = [step.get("run") or step["uses"] for step in example["jobs"]["deploy"]["steps"]]
    [at] = [index for index, step in enumerate(steps) if "configure-aws-credentials" in step]
    assert steps[at - 1] == "make package STAGE=prod"
    [deploys, examines] = steps[at + 1 :]
    assert deploys.startswith("make deploy-stack STAGE=prod")
    assert "PermissionsBoundaryArn=" in deploys
    assert examines == "make doctor STAGE=prod"


def test_no_value_of_a_setting_becomes_a_command(example):
    for job in example["jobs"].values():
        assert [step["run"] for step in job["steps"] if "${{" in step.get("run", "")] == []


def test_both_use_the_same_actions(workflow, example):
    known = set(re.findall(r"uses: *(\S+)", WORKFLOW.read_text("utf-8")))
    used = set(re.findall(r"uses: *(\S+)", EXAMPLE.read_text("utf-8")))
    assert {action.partition("@")[0] for action in used - known} == {"aws-actions/configure-aws-credentials"}


def test_the_trust_names_one_environment_of_one_repository_in_both_forms():
    [trust] = [
        json.loads(text) for text in re.findall(r"```json\n(.*?)```", DEPLOY, re.S) if "sts:Assume" in text
    ]
    [statement] = trust["Statement"]
    assert set(statement["Condition"]) == {"StringEquals"}
    conditions = statement["Condition"]["StringEquals"]
    assert conditions["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"
    immutable = "repo:OWNER@OWNER_ID/REPOSITORY@REPOSITORY_ID:environment:prod"
    assert conditions["token.actions.githubusercontent.com:sub"] == immutable
    rows = [line for line in DEPLOY.splitlines() if line.startswith("|") and ":environment:prod`" in line]
    assert [row.split("|")[2].strip(" `") for row in rows] == [
        immutable,
        "repo:OWNER/REPOSITORY:environment:prod",
    ]
    for needed in ("sub_claim_prefix", ".owner.id", "required reviewers", "deployment branches"):
        assert needed in DEPLOY


def test_the_files_that_the_guide_names_are_there():
    named = re.findall(r"file://(resources/\S+)", DEPLOY)
    assert len(named) == 3
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_the_hooks_before_a_commit_call_the_tools_of_the_environment():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    [repository] = config["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert hook["language"] == "system"
        assert hook["entry"].startswith(".venv/bin/")
