"""The linters of ``make security`` find what they are there for, and find nothing in the project.

parliament and bandit have environments of their own in build/, which ``make test-long`` installs.
"""

import subprocess
from pathlib import Path

import pytest

from tests.support import policy_lint

ROOT = Path(__file__).parents[2]
BANDIT = ROOT / "build" / "bandit" / "bin" / "bandit"
CODE = ("app.py", "chalicelib", "ops", "local", "simulation", "bench")


@pytest.fixture(autouse=True)
def installed():
    for program in (policy_lint.PARLIAMENT, BANDIT):
        assert program.exists(), f"{program.name} is not installed. Run 'make test-long', which installs it."


def bandit(*paths):
    command = [BANDIT, "--quiet", "--configfile", "pyproject.toml", "--recursive", *paths]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True)


def test_parliament_finds_the_faults_of_the_control_policy():
    assert policy_lint.control_issues() == policy_lint.CONTROL_ISSUES


def test_parliament_finds_nothing_in_the_policies_but_what_is_accepted():
    assert policy_lint.issues_of(policy_lint.POLICIES) == policy_lint.ACCEPTED


def test_every_policy_of_the_project_is_held_against_parliament():
    there = {*(ROOT / "resources").glob("*.json"), *(ROOT / ".chalice").glob("policy-*.json")}
    assert {ROOT / name for name in policy_lint.POLICIES} == there


def test_bandit_finds_the_faults_of_a_control(tmp_path):
    (tmp_path / "control.py").write_text(
        "import subprocess\nsubprocess.run(input(), shell=True)\neval(input())\n"
    )
    ran = bandit(tmp_path)
    assert ran.returncode == 1
    assert "B602" in ran.stdout
    assert "B307" in ran.stdout


def test_bandit_finds_nothing_in_the_code():
    ran = bandit(*CODE)
    assert ran.returncode == 0, ran.stdout
