"""A running stack as ``STAGE=local`` of a project, and make verify run against it in this process."""

from dataclasses import replace

from ops.local_stage import LocalSession
from ops.locate import locate_whole
from ops.stage import Stage
from ops.verify.command import POINTS, Options, open_account, with_key
from ops.verify.ledger import Ledger
from ops.verify.play import Deadlines
from ops.verify.points import play_points
from ops.verify.removal import remove_all

SHORT = Deadlines(
    list=3.0, delivery=15.0, archive=15.0, alarm=10.0, quarantined=3.0, hidden=1, stopped=0.0, query_pause=0.2
)
"""Enough on a busy machine. A test whose point fails on purpose shortens what that point waits for."""


def locate(project, running):
    """Return the deployment of a running stack, and a session with it."""
    session = LocalSession(running.stack.awsEndpointUrl)
    return locate_whole(Stage(project, "local"), session), session


def make_play(deployment, session, folder):
    """Return the context of a new run, with clients of its own. Its ledger is in ``folder``."""
    ledger = Ledger(folder / "ledger.json")
    return with_key(open_account(deployment, session, Options(), deadlines=SHORT, ledger=ledger))


def with_outputs(play, **outputs):
    """Return a context whose deployment has other outputs."""
    return replace(play, deployment=replace(play.deployment, outputs={**play.deployment.outputs, **outputs}))


def needed_for(*names):
    """Return the points with these names and those that they need, in order."""
    wanted, by_name = {*names}, {point.name: point for point in POINTS}
    for point in reversed(POINTS):
        if point.name in wanted:
            wanted |= {*by_name[point.name].needs}
    return [point for point in POINTS if point.name in wanted]


def results_of(play, *names):
    """Play points and those that they need, remove what was made, and return the results by name."""
    try:
        return {result.point.name: result for result in play_points(needed_for(*names), play)}
    finally:
        remove_all(play, is_archived=False)


class Killed:
    """Ends the program at a call to AWS: no call after it is made either.

    ``moment`` is before-call or after-call.
    """

    def __init__(self, play, operation, moment):
        self.is_dead = False
        self.operation, self.moment = operation, moment
        make = play.clients
        self.play = replace(play, clients=lambda name: self._watch(make(name)))

    def _watch(self, client):
        for moment in ("before-call", "after-call"):
            client.meta.events.register(moment, self._strike, unique_id=(id(self), moment))
        return client

    def _strike(self, event_name, **_):
        moment, *_, operation = event_name.split(".")
        if (moment, operation) == (self.moment, self.operation):
            self.is_dead = True
        if self.is_dead:
            raise KeyboardInterrupt
