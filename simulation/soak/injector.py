"""Does to a running stack what the plan says: faults of the engine, kills, poison. It counts what it did."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import cycle
from random import Random
from typing import Any

import boto3
from botocore.config import Config

from local.personalize import REGION
from simulation.poison import POISON
from simulation.soak.local_run import LocalRun
from simulation.soak.scenario import FAULTS, Action, Begin, Kill, Part

POISON_REQUEST = {"SessionId": "another-producer", "EventType": "view", "Event": {"itemId": "dracula"}}


class Injector:
    """Performs actions, one after another.

    ``poison`` has shard and sequence number of each poison record. ``start_seconds`` has the time from each
    kill of ``make run`` until it was ready again. ``sample`` is called with a label as each phase begins.
    """

    def __init__(self, local: LocalRun, random: Random, sample: Callable[[str], None]) -> None:
        self.kills: Counter[str] = Counter({part.value: 0 for part in Part})
        self.start_seconds: list[float] = []
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
            case Kill(part=Part.MAKE_RUN):
                killed = time.monotonic()
                self._local.kill()
                self.kills[Part.MAKE_RUN.value] += 1
                self._local.start()
                self._set_faults()
                self.start_seconds.append(time.monotonic() - killed)
            case Kill(part=part):
                self._kill(part)
            case _:
                self._put_poison()

    def end_faults(self) -> None:
        """Switch all faults of the engine off."""
        self._faults = FAULTS["none"]
        self._set_faults()

    def _kill(self, part: Part) -> None:
        parts = self._local.parts()
        groups = parts.functions if part is Part.WORKER else [parts.engine]
        if not any(groups):
            return
        process = self._random.choice(self._random.choice(groups))
        with suppress(ProcessLookupError):  # an idle worker may end at any time
            os.kill(process.pid, signal.SIGKILL)
            self.kills[part.value] += 1
        if part is Part.ENGINE:
            # make run starts it again, and it begins without faults.
            self._set_faults()

    def _put_poison(self) -> None:
        _, make = next(self._kinds)
        put = self._kinesis.put_record(
            StreamName=self._local.stack["streamName"],
            PartitionKey=f"producer-{len(self.poison) % 10}",
            Data=make(POISON_REQUEST),
        )
        self.poison.append((put["ShardId"], put["SequenceNumber"]))

    def _set_faults(self) -> None:
        self._local.control("PUT", "/_engine/faults", self._faults)
