"""What is counted of deliveries and of the relay."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from django.db import transaction

from events.declare.subscribers import Subscriber, subscribers
from events.metrics.declare import SECONDS, Counter, Histogram, Moment
from events.tracing.spans import was_sampled

OF = ("subscriber",)
AGES = (*SECONDS, 86_400.0)
"""Critical times may be as long as an outage, or as a person needs to repair a dead delivery."""


def _known() -> list[tuple[str, ...]]:
    return [(one.name,) for one in subscribers()]


HANDLED = Counter("events_deliveries_handled_total", "Deliveries that a handler has handled.", OF, known=_known)
RETRIED = Counter(
    "events_deliveries_retried_total", "Failed attempts after which the delivery is tried again.", OF, known=_known
)
DEAD = Counter(
    "events_deliveries_dead_lettered_total", "Deliveries that were refused or had no attempt left.", OF, known=_known
)
POSTPONED = Counter(
    "events_deliveries_postponed_total", "Times a delivery was put off because its breaker was not closed.", OF,
    known=_known,
)  # fmt: skip
HANDLING = Histogram("events_handling_seconds", "Time of one call of a handler, with a batch or one event.", OF)
CRITICAL = Histogram(
    "events_critical_time_seconds", "Time from recording an event until it was handled, by the database's clock.",
    OF, AGES,
)  # fmt: skip
LAST_CLAIM = Moment(
    "events_relay_last_claim_timestamp_seconds", "When a relay last looked for due deliveries, by the database's clock."
)
LAST_CONSUMED = Moment(
    "broker_last_consumed_timestamp_seconds",
    "When a worker last took a message from a queue, by the database's clock.",
    ("queue",),
)


def handled(
    subscriber: Subscriber, ages: Sequence[float], taken_at: float, call_seconds: float, traces: Sequence[str] = ()
) -> None:
    """Counts after the commit. `ages`: seconds since each delivery was created, at the monotonic time `taken_at`.

    `traces`: the context of each event, where traces are recorded.
    """
    if ages:
        transaction.on_commit(partial(_handled, subscriber.name, ages, taken_at, call_seconds, traces))


def _handled(name: str, ages: Sequence[float], taken_at: float, call_seconds: float, traces: Sequence[str]) -> None:
    since = time.monotonic() - taken_at
    HANDLED.add(len(ages), name)
    CRITICAL.observe_all([age + since for age in ages], name, traces=traces)
    HANDLING.observe(call_seconds, name, trace=next(filter(was_sampled, traces), ""))


def failed(subscriber: Subscriber, *, retried: int, dead: int) -> None:
    """Counts after the commit."""
    transaction.on_commit(partial(_failed, subscriber.name, retried, dead))


def _failed(name: str, retried: int, dead: int) -> None:
    RETRIED.add(retried, name)
    DEAD.add(dead, name)
