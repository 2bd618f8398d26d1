"""A short soak: HTTP requests to ``make run`` while faults change and its parts and itself are killed."""

from simulation.soak.report import report
from simulation.soak.run import run
from simulation.soak.scenario import Scenario


def test_what_clients_were_told_is_what_arrives(tmp_path):
    scenario = Scenario(
        minutes=0.6,
        rate=20,
        phase_seconds=12,
        faults=("throttled", "resets", "everything"),
        clients=30,
        worker_kills=1,
        poison=9,
        limit_seconds=120,
        kills=("worker", "make-run"),
    )
    result = run(scenario, home=tmp_path)
    assert result.broken == [], report(result)
    assert result.requests == 720
    assert result.counts.quarantined == 27
    assert result.counts.accepted > 1_000
    assert result.kills["worker"] and result.kills["make-run"]
