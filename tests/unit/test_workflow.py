"""The workflow runs what a developer runs, on every supported Python, and no code that can change unseen."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "check.yml"


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


def test_every_action_is_pinned_by_its_commit_with_the_version_beside_it():
    used = re.findall(r"uses: *(.*)", WORKFLOW.read_text("utf-8"))
    assert used
    assert [line for line in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


def test_the_hooks_before_a_commit_call_the_tools_of_the_environment():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    [repository] = config["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert hook["language"] == "system"
        assert hook["entry"].startswith(".venv/bin/")
