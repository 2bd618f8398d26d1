"""`make replay` interrupted before and after each of its calls."""

from local.personalize.process import running_engine
from tests.support.engine_clients import EngineClients
from tests.support.replaying import interrupt_at_each_step


def test_interrupted_at_every_step_and_repeated_each_event_is_trained_on_once_in_order(tmp_path):
    with running_engine(database=tmp_path / "events.sqlite") as engine:
        clients = EngineClients(engine)
        assert interrupt_at_each_step(engine, clients.events, tmp_path) > 30
        clients.close()
