"""The relay: claims due deliveries and sends them in batches, one message per subscriber. Several relays may run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import structlog
from celery import Celery, current_app
from django.db import DatabaseError, InterfaceError, transaction

from events.conf import event_settings
from events.db.bisect import database_lost
from events.db.query import execute
from events.declare.queues import Queue
from events.declare.subscribers import Subscriber, subscriber, subscribers
from events.delivery import measures, sql, traces, wake
from events.delivery.broker import AWAY, depths, send
from events.delivery.handle import deliver, deliver_within
from events.liveness.heartbeat import touch
from events.tracing.spans import Span, recording

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Batch:
    """Claimed deliveries of one subscriber, sent as one message."""

    subscriber: Subscriber
    ids: list[int]
    lease: UUID
    alone: bool = False
    claims: Sequence[Span] = ()
    """Of those whose events are traced."""

    @property
    def arguments(self) -> tuple[Any, ...]:
        return (self.ids, str(self.lease), True) if self.alone else (self.ids, str(self.lease))


GATE_INTERVAL = 0.02
"""Seconds between two checks of the queue depths while the gate is shut."""
LIGHT_LOAD_BATCH = 20
"""Up to this many deliveries in one round count as light load."""


@dataclass
class Relay:
    """One relay. `pump` does one round; `run` sleeps between rounds until a wake-up hint arrives or the gate opens."""

    batch: int = field(default_factory=lambda: event_settings.RELAY_BATCH)
    lease: float = field(default_factory=lambda: event_settings.RELAY_LEASE)
    poll: float = field(default_factory=lambda: event_settings.RELAY_POLL)
    gate: int = field(default_factory=lambda: event_settings.RELAY_MAX_QUEUE_DEPTH)
    linger: float = field(default_factory=lambda: event_settings.RELAY_LINGER)
    app: Celery = current_app
    stopping: bool = False
    gate_shut: bool = False
    known_open: set[Queue] | None = None
    """The queues that were open when it went to sleep, after little work: the next event need not wait for a look."""
    caught_up: bool = False
    """Whether this relay has once claimed everything that was due."""
    claimed_counts: Counter[str] = field(default_factory=Counter)
    """Claimed deliveries by subscriber; see `_may_run_inline`."""

    def run(self) -> None:
        """Until `stopping`. It waits for a server that is unreachable: due deliveries stay due."""
        log.info("relay started", batch=self.batch, subscribers=[one.name for one in subscribers()])
        while not self.stopping:
            touch("relay")
            claimed = 0
            try:
                while not self.stopping and ((claimed := self.pump()) >= self.batch or self.gate_shut):
                    touch("relay")
                    if self.gate_shut:
                        time.sleep(GATE_INTERVAL)
                if LIGHT_LOAD_BATCH < claimed < self.batch:
                    time.sleep(self.linger)
            except (DatabaseError, InterfaceError, *AWAY) as error:
                log.warning("relay waits: a server is unreachable", error=str(error), kind=type(error).__name__)
                time.sleep(self.poll)
                continue  # a check of an unresponsive broker may take long and must not delay the heartbeat
            self._sleep(claimed)

    def _sleep(self, claimed: int) -> None:
        if self.stopping:
            return
        try:
            self.known_open = self._open_queues() if claimed <= LIGHT_LOAD_BATCH else None
            wake.wait(self.poll)
        except AWAY:
            time.sleep(self.poll)

    def pump(self) -> int:
        """Claims and sends one round; returns the number of deliveries. Zero: nothing is due, or the gate is shut.

        The gate: while messages wait in a queue, deliveries for it stay in the table and the next batch grows.
        """
        open_queues, self.known_open = self._open_queues() if self.known_open is None else self.known_open, None
        listening = [one for one in subscribers() if one.gates <= open_queues]
        self.gate_shut = len(listening) < len(subscribers())
        claimed = 0
        for one in listening:
            if one.ordered:
                claimed += self._relay([one.name], ordered=True)
        unordered = [one.name for one in listening if not one.ordered]
        claimed += self._relay(unordered, ordered=False) if unordered else 0
        measures.LAST_CLAIM.now()
        self.caught_up = self.caught_up or not (self.gate_shut or claimed >= self.batch)
        return claimed

    def _open_queues(self) -> set[Queue]:
        wanted = {queue for one in subscribers() for queue in one.gates}
        return {queue for queue, waiting in depths(self.app, wanted).items() if waiting <= self.gate}

    def _relay(self, names: list[str], *, ordered: bool) -> int:
        """Claims one round. Handles `at_relay` subscribers inside the claim's transaction, sends the others after it.

        Suspected poison deliveries, and batches that failed inside the claim, are handled after the commit. The claim
        is then recorded, so a crash is counted.
        """
        if ordered:
            batches = later = self._claimed(names, ordered=True)
        else:
            try:
                batches, later = self._claimed_and_handled(names)
            except Exception as error:
                if database_lost(error):
                    raise
                log.warning("batch failed inside its claim; retrying it after the commit", error=str(error))
                batches = later = self._claimed(names, ordered=False)
        for batch in batches:
            self.claimed_counts[batch.subscriber.name] += len(batch.ids)
        unsent = [batch for batch in later if not self._pass_on(batch)]
        if unsent:
            execute(sql.UNSEND, [[id_ for batch in unsent for id_ in batch.ids], unsent[0].lease])
        return sum(len(batch.ids) for batch in batches if batch not in unsent)

    def _claimed(self, names: list[str], *, ordered: bool) -> list[Batch]:
        with transaction.atomic():
            return self._claim_ordered(*names) if ordered else self._claim(names)

    def _claimed_and_handled(self, names: list[str]) -> tuple[list[Batch], list[Batch]]:
        """All claimed batches, and those that still have to be passed on."""
        inline = [one.name for one in subscribers() if one.at_relay and self._may_run_inline(one)]
        later: list[Batch] = []
        with transaction.atomic():
            batches = self._claim(names, inline)
            for batch in batches:
                if batch.subscriber.name in inline and not batch.alone:
                    deliver_within(batch.subscriber, batch.ids)
                else:
                    later.append(batch)
        return batches, later

    def _may_run_inline(self, one: Subscriber) -> bool:
        """Whether a subscriber may be handled inside the claim.

        Not for the first batch: it may contain the delivery that crashed the previous relay. A crash inside a claim
        rolls the claim back and is not recorded, so such a delivery is in the first batch of the next relay.
        """
        return self.caught_up or self.claimed_counts[one.name] >= self.batch

    def _pass_on(self, batch: Batch) -> bool:
        """Handles or sends one batch. False if the relay is stopping or the broker is unreachable."""
        if self.stopping:
            return False
        if batch.subscriber.at_relay:
            deliver(batch.subscriber, batch.ids, batch.lease, alone=batch.alone)
            return True
        touch("relay")  # each send may wait for an unresponsive broker
        if not batch.claims:
            return send(self.app, batch.subscriber.name, batch.arguments)
        sending = traces.Sending(batch.subscriber, batch.claims, len(batch.ids))
        sent = send(self.app, batch.subscriber.name, batch.arguments, sending.headers)
        sending.ended(sent=sent)
        return sent

    def _claim(self, names: list[str], inline: Sequence[str] = ()) -> list[Batch]:
        """`inline`: subscribers that are handled in the claim's transaction, so their deliveries need no lease."""
        lease, since = uuid4(), time.time_ns()
        parameters = {"seconds": self.lease, "lease": lease, "subscribers": names, "limit": self.batch}
        rows = execute(sql.CLAIM, {**parameters, "inline": list(inline), "traced": recording()})
        return _batches(rows, lease, since)

    def _claim_ordered(self, name: str) -> list[Batch]:
        if not execute(sql.LOCK_ORDERED, [name])[0][0]:
            return []  # another relay is claiming for this subscriber
        lease, since = uuid4(), time.time_ns()
        parameters = {"seconds": self.lease, "lease": lease, "subscriber": name, "limit": self.batch}
        return _batches(execute(sql.CLAIM_ORDERED, {**parameters, "traced": recording()}), lease, since)


def _batches(rows: list[tuple[Any, ...]], lease: UUID, since: int) -> list[Batch]:
    """One batch per subscriber. A delivery that was sent before without an outcome may be poison and is sent alone."""
    by_subscriber: dict[tuple[str, int], list[int]] = {}
    traced: dict[tuple[str, int], list[traces.Traced]] = {}
    for id_, name, _, leases, trace, again in sorted(rows, key=lambda row: row[2]):
        key = (name, id_ if leases > 1 else 0)
        by_subscriber.setdefault(key, []).append(id_)
        if trace:
            traced.setdefault(key, []).append(traces.Traced(trace, again))
    return [
        Batch(listening, ids, lease, bool(key[1]), traces.claimed(listening, traced.get(key, ()), since))
        for key, ids in by_subscriber.items()
        if (listening := subscriber(key[0])) is not None
    ]
