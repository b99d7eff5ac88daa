"""Runs the relay and the tasks in this process until nothing is due."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Protocol

from django.db import connection
from django.db.models.functions import Now

from events.declare.subscribers import subscribers
from events.delivery.relay import Relay
from events.models import Delivery, DeliveryState
from events.testing.broker import Broker
from events.testing.deliveries import Deliveries

LISTED = 20
"""Rows that an error names."""


class NotAtRest(AssertionError):
    """Work is still due after `limit` rounds. Look for a handler that records what it handles, or raise `limit`."""


class Clock(Protocol):
    """Rows that wait for a time, and that the relay does not look at."""

    def wake(self, *, early: bool) -> int:
        """Sets going what is due, and with `early` also what is not due yet. Returns how many rows that were."""

    def unfinished(self) -> list[str]:
        """A line for each row that has not ended, for the message of NotAtRest."""


class _Backoffs:
    """Deliveries that wait: for their next attempt, for a breaker, or for the lease of a message that got lost."""

    def wake(self, *, early: bool) -> int:
        if not early:
            return 0  # the relay has sent what is due
        known = [one.name for one in subscribers()]
        pending = Delivery.objects.filter(state=DeliveryState.PENDING, subscriber__in=known)
        return pending.filter(due_at__gt=Now()).update(due_at=Now())

    def unfinished(self) -> list[str]:
        return [str(one) for one in Deliveries(since=0).of() if one.outcome == "pending"]


def drain(
    *, limit: int = 100, through_retries: bool = False, losing: Collection[str] = (), also: Sequence[Clock] = ()
) -> list[str]:
    """Runs the relay, and the tasks of all messages in the real broker, in this process until nothing is due.

    Returns the names of the tasks that ran, in their order.

    `limit`: the number of rounds. In each the relay sends what is due, and all messages in the queues are run.
    `through_retries`: deliveries that wait for their next attempt are made due, until none waits any more.
    `losing`: the names of tasks whose messages are dropped, as a broker may lose them.
    `also`: further rows that wait for a time. The ETA of a message is ignored: it runs now.

    Raises NotAtRest after `limit` rounds, TaskFailed if a task raises, and RuntimeError inside a transaction. An error
    of a handler or of a step raises nothing: it is written in the row of the delivery or of the step.
    """
    _check_committed()
    clocks: list[Clock] = [_Backoffs(), *also]
    broker = Broker()
    broker.app.loader.import_default_modules()  # as a worker does
    relay = Relay(gate=sys.maxsize, app=broker.app)
    ran: list[str] = []
    last: list[str] = []
    for _ in range(limit):
        claimed = relay.pump()
        messages = broker.take()
        last = [message.task for message in messages] or last
        for message in messages:
            if message.task not in losing:
                ran.append(message.task)
                message.run()
        if not (claimed or messages or sum(clock.wake(early=through_retries) for clock in clocks)):
            return ran
    raise NotAtRest(_still_busy(limit, last, clocks))


def _check_committed() -> None:
    if connection.in_atomic_block:
        raise RuntimeError(
            "drain() runs what is committed, and this test runs in a transaction that never is: "
            "mark it with django_db(transaction=True), or use TransactionTestCase"
        )


def _still_busy(limit: int, last: list[str], clocks: Sequence[Clock]) -> str:
    tasks = ", ".join(f"{task} ({count} times)" if count > 1 else task for task, count in Counter(last).items())
    lines = [line for clock in clocks for line in clock.unfinished()]
    more = [f"and {len(lines) - LISTED} more"] if len(lines) > LISTED else []
    listed = "".join(f"\n  {line}" for line in [*lines[:LISTED], *more]) or " nothing"
    return (
        f"drain() is not at rest after {limit} rounds: look for a handler that records what it handles, "
        f"or raise `limit`.\nThe last tasks: {tasks or 'none'}\nNot yet ended:{listed}"
    )
