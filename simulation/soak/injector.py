"""Does to a running stack what the plan says: faults of the engine, kills, poison. It counts what it did."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import cycle
from random import Random
from typing import Any

import boto3
from botocore.config import Config

from chalicelib.errors import AwsError
from local.personalize import REGION
from simulation.poison import POISON
from simulation.soak.local_run import LocalRun, SoakError
from simulation.soak.processes import Process
from simulation.soak.scenario import FAULTS, Action, Begin, Kill, Part

POISON_REQUEST = {"SessionId": "another-producer", "EventType": "view", "Event": {"itemId": "dracula"}}


class Injector:
    """Performs actions, one after another.

    ``poison`` has shard and sequence number of each poison record. ``outages`` has the seconds from each kill
    of a part until it was ready again. ``sample`` is called with a label as each phase begins.
    """

    def __init__(self, local: LocalRun, random: Random, sample: Callable[[str], None]) -> None:
        self.kills: Counter[str] = Counter({part.value: 0 for part in Part})
        self.outages: dict[str, list[float]] = defaultdict(list)
        self.poison: list[tuple[str, str]] = []
        self._local = local
        self._random = random
        self._sample = sample
        self._faults = FAULTS["none"]
        self._kinds = cycle(POISON.values())
        session: Any = boto3.Session("test", "test", region_name=REGION)
        # A second attempt of botocore's could put a record twice.
        once = Config(retries={"total_max_attempts": 1})
        self._kinesis = session.client("kinesis", endpoint_url=local.stack["awsEndpointUrl"], config=once)

    def perform(self, action: Action) -> None:
        """Perform one action and return when its end has come: a part that was killed runs again."""
        match action:
            case Begin(label=label, fault=fault):
                self._sample(label)
                self._faults = FAULTS[fault]
                self._set_faults()
            case Kill(part=Part.MAKE_RUN as part):
                self._until_ready(part, self._kill_make_run)
            case Kill(part=Part.ENGINE as part):
                # make run starts it again.
                self._until_ready(part, lambda: self._kill([self._local.parts().engine], part))
            case Kill(part=part):
                self._kill(self._local.parts().functions, part)
            case _:
                self._put_poison()

    def end_faults(self) -> None:
        """Switch all faults of the engine off."""
        self._faults = FAULTS["none"]
        self._set_faults()

    def _until_ready(self, part: Part, kill: Callable[[], None]) -> None:
        killed = time.monotonic()
        kill()
        # The engine begins without faults.
        self._set_faults()
        self.outages[part.value].append(time.monotonic() - killed)

    def _kill_make_run(self) -> None:
        self._local.kill()
        self.kills[Part.MAKE_RUN.value] += 1
        self._local.start()

    def _kill(self, groups: Sequence[Sequence[Process]], part: Part) -> None:
        """Kill one process of one of the groups. Without any, nothing is killed."""
        candidates = [group for group in groups if group]
        if candidates:
            process = self._random.choice(self._random.choice(candidates))
            with suppress(ProcessLookupError):  # an idle worker may end at any time
                os.kill(process.pid, signal.SIGKILL)
                self.kills[part.value] += 1

    def _put_poison(self) -> None:
        _, make = next(self._kinds)
        try:
            put = self._kinesis.put_record(
                StreamName=self._local.stack["streamName"],
                PartitionKey=f"producer-{len(self.poison) % 10}",
                Data=make(POISON_REQUEST),
            )
        except AwsError as error:
            raise SoakError(f"The stream took no record of another producer: {error}") from error
        self.poison.append((put["ShardId"], put["SequenceNumber"]))

    def _set_faults(self) -> None:
        self._local.control("PUT", "/_engine/faults", self._faults)
