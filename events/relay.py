"""Claims what is due and sends it in batches, one message per subscriber; several relays may run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import structlog
from celery import Celery, current_app
from django.conf import settings
from django.db import DatabaseError, InterfaceError, transaction

from events import livez, sql, wake
from events.broker import AWAY, depths, send
from events.deliver import deliver, deliver_within
from events.heartbeat import beat
from events.isolation import database_lost
from events.queues import Queue
from events.subscribers import Subscriber, subscriber, subscribers

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Batch:
    """Claimed deliveries of one subscriber, on their way as one message."""

    subscriber: Subscriber
    ids: list[int]
    lease: UUID
    alone: bool = False

    @property
    def arguments(self) -> tuple[Any, ...]:
        return (self.ids, str(self.lease), True) if self.alone else (self.ids, str(self.lease))


GATE_INTERVAL = 0.02
"""Seconds between two looks at a gate that is shut."""
FEW = 20
"""Deliveries at once that are no sign of load."""


@dataclass
class Relay:
    """One relay. `pump` does one round; `run` sleeps between rounds until a hint arrives, or the gate opens."""

    batch: int = settings.RELAY_BATCH
    lease: float = settings.RELAY_LEASE
    poll: float = settings.RELAY_POLL
    gate: int = settings.RELAY_GATE
    pace: float = settings.RELAY_PACE
    app: Celery = current_app
    stopping: bool = False
    shut: bool = False
    looked: set[Queue] | None = None
    """The queues that were open when it went to sleep, after little work: the next order need not wait for a look."""
    settled: bool = False
    """All that was due has been claimed once."""
    met: Counter[str] = field(default_factory=Counter)
    """How many deliveries of each subscriber it has claimed: see `_trusts`."""

    def run(self) -> None:
        """Until `stopping`. A server that is away is waited for: what is due stays due."""
        livez.serve("relay")
        log.info("relay started", batch=self.batch, subscribers=[one.name for one in subscribers()])
        while not self.stopping:
            beat("relay")
            claimed = 0
            try:
                while not self.stopping and ((claimed := self.pump()) >= self.batch or self.shut):
                    beat("relay")
                    if self.shut:
                        time.sleep(GATE_INTERVAL)
                if FEW < claimed < self.batch:
                    time.sleep(self.pace)
            except (DatabaseError, InterfaceError, *AWAY) as error:
                log.warning("relay waits for a server", error=str(error), kind=type(error).__name__)
                time.sleep(self.poll)
                continue  # each look at a broker that does not answer may take long, and counts as no sign of life
            self._sleep(claimed)

    def _sleep(self, claimed: int) -> None:
        if self.stopping:
            return
        try:
            self.looked = self._open_queues() if claimed <= FEW else None
            wake.wait(self.poll)
        except AWAY:
            time.sleep(self.poll)

    def pump(self) -> int:
        """Claims and sends one round; returns how many deliveries. Zero: nothing is due, or the gate is shut.

        The gate: while messages wait in a queue, its subscribers' deliveries stay rows, and the next batch grows.
        """
        open_queues, self.looked = self._open_queues() if self.looked is None else self.looked, None
        listening = [one for one in subscribers() if one.gates <= open_queues]
        self.shut = len(listening) < len(subscribers())
        claimed = 0
        for one in listening:
            if one.ordered:
                claimed += self._relay([one.name], ordered=True)
        unordered = [one.name for one in listening if not one.ordered]
        claimed += self._relay(unordered, ordered=False) if unordered else 0
        self.settled = self.settled or not (self.shut or claimed >= self.batch)
        return claimed

    def _open_queues(self) -> set[Queue]:
        wanted = {queue for one in subscribers() for queue in one.gates}
        return {queue for queue, waiting in depths(self.app, wanted).items() if waiting <= self.gate}

    def _relay(self, names: list[str], *, ordered: bool) -> int:
        """Inline subscribers are handled within the claim's transaction; the others' messages leave after it.

        What may be poison is handled after it, too: the claim is then committed, and a death leaves its trace. And so
        is what has just failed within it.
        """
        if ordered:
            batches = later = self._claimed(names, ordered=True)
        else:
            try:
                batches, later = self._claimed_and_handled(names)
            except Exception as error:
                if database_lost(error):
                    raise
                log.warning("a batch fails; it is handled after its claim", error=str(error))
                batches = later = self._claimed(names, ordered=False)
        for batch in batches:
            self.met[batch.subscriber.name] += len(batch.ids)
        unsent = [batch for batch in later if not self._pass_on(batch)]
        if unsent:
            sql.run(sql.UNSEND, [[id_ for batch in unsent for id_ in batch.ids], unsent[0].lease])
        return sum(len(batch.ids) for batch in batches if batch not in unsent)

    def _claimed(self, names: list[str], *, ordered: bool) -> list[Batch]:
        with transaction.atomic():
            return self._claim_ordered(*names) if ordered else self._claim(names)

    def _claimed_and_handled(self, names: list[str]) -> tuple[list[Batch], list[Batch]]:
        """What was claimed, and what of it is still to be passed on."""
        at_once = [one.name for one in subscribers() if one.at_relay and self._trusts(one)]
        later: list[Batch] = []
        with transaction.atomic():
            batches = self._claim(names, at_once)
            for batch in batches:
                if batch.subscriber.name in at_once and not batch.alone:
                    deliver_within(batch.subscriber, batch.ids)
                else:
                    later.append(batch)
        return batches, later

    def _trusts(self, one: Subscriber) -> bool:
        """Not at first: what this relay finds may be what its predecessor died of, which left no trace if it was
        handled within the claim. It was in the last batch of its predecessor, so it is in the first of this one.
        """
        return self.settled or self.met[one.name] >= self.batch

    def _pass_on(self, batch: Batch) -> bool:
        """False for what has to wait for the broker, or for the next relay."""
        if self.stopping:
            return False
        if batch.subscriber.at_relay:
            deliver(batch.subscriber, batch.ids, batch.lease, alone=batch.alone)
            return True
        beat("relay")  # each of them may have to wait for a broker that does not answer
        return send(self.app, batch.subscriber.name, batch.arguments)

    def _claim(self, names: list[str], at_once: Sequence[str] = ()) -> list[Batch]:
        """`at_once`: subscribers that are handled before the claim's commit, and so need no lease."""
        lease = uuid4()
        parameters = {"seconds": self.lease, "lease": lease, "subscribers": names, "limit": self.batch}
        return _batches(sql.run(sql.CLAIM, {**parameters, "at_once": list(at_once)}), lease)

    def _claim_ordered(self, name: str) -> list[Batch]:
        if not sql.run(sql.LOCK_ORDERED, [name])[0][0]:
            return []  # another relay is at it
        lease = uuid4()
        parameters = {"seconds": self.lease, "lease": lease, "subscriber": name, "limit": self.batch}
        return _batches(sql.run(sql.CLAIM_ORDERED, parameters), lease)


def _batches(rows: list[tuple[Any, ...]], lease: UUID) -> list[Batch]:
    """One batch per subscriber; what was sent before and never answered travels alone, in case it is poison."""
    by_subscriber: dict[tuple[str, int], list[int]] = {}
    for id_, name, _, leases in sorted(rows, key=lambda row: row[2]):
        by_subscriber.setdefault((name, id_ if leases > 1 else 0), []).append(id_)
    return [
        Batch(listening, ids, lease, alone=bool(suspect))
        for (name, suspect), ids in by_subscriber.items()
        if (listening := subscriber(name)) is not None
    ]
