"""A small chaos run: a real engine with faults, a real queue, the real handler in killed processes."""

import pytest

from local.emulator import running_emulator
from simulation.chaos.quarantine import CREDENTIALS
from simulation.chaos.run import run
from simulation.chaos.scenario import Scenario
from simulation.mapping import EventSourceMapping


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    state = tmp_path_factory.mktemp("emulator")
    with running_emulator(environment=CREDENTIALS, state_dir=state) as running:
        yield running


@pytest.mark.parametrize("report", [False, True], ids=["raising", "reporting"])
def test_whatever_fails_the_report_shows_no_difference(emulator, tmp_path, report):
    scenario = Scenario(
        events=2_000,
        sessions=100,
        batch_size=200,
        kills=0.3,
        report_batch_item_failures=report,
        limit_seconds=120,
    )
    result = run(scenario, emulator_url=emulator.url, folder=tmp_path)
    assert result.broken == []
    assert result.lost == 0
    assert result.trained == result.accepted - result.quarantined
    assert result.quarantined == result.poison > 0
    assert result.violations == 0
    assert result.requests["throttled"] > 0


def test_failures_reported_to_a_mapping_that_does_not_read_them_are_lost_and_noticed(emulator, tmp_path):
    # This is why REPORT_BATCH_ITEM_FAILURES is false by default. It also shows that a run can fail.
    scenario = Scenario(
        events=200, sessions=8, throttle=1.0, kills=0.0, short_timeouts=1.0, limit_seconds=120
    )
    result = run(
        scenario, emulator_url=emulator.url, folder=tmp_path, mapping=EventSourceMapping(batch_size=100)
    )
    assert result.lost == result.accepted - result.poison
    assert "no event is lost" in result.broken
