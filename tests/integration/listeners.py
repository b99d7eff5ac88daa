"""An event with subscribers of every kind, for the tests of the kernel."""

import threading
from collections.abc import Sequence
from uuid import UUID

from events import Backoff, Event, Refused
from events.declare.subscribers import Failures
from events.delivery.subscribe import subscribe
from inventory.events import INVENTORY
from notifications.events import NOTIFICATIONS
from orders.events import ORDERS

handled: list[tuple[str, str]] = []
poison: set[str] = set()
blocked: dict[str, threading.Event] = {}
calls: list[int] = []
keys_seen: list[str] = []
RETRY = Backoff(base=1, cap=4, attempts=3)


class Rang(Event, type="bell.rang", version="1.0", stream="bell_id"):
    """A bell rang."""

    bell_id: UUID
    name: str


def _handle(subscriber: str, events: Sequence[Rang]) -> None:
    calls.append(len(events))
    for event in events:
        if event.name in poison:
            raise ValueError(f"{event.name} is poison")
        if event.name == "refused":
            raise Refused("no", "not today")
    handled.extend((subscriber, event.name) for event in events)


@subscribe(Rang, queue=ORDERS, batch=100, retry=RETRY)
def together(events: Sequence[Rang]) -> None:
    """Many at once, in one transaction."""
    _handle("together", events)


@subscribe(Rang, queue=INVENTORY, retry=RETRY, ordered=True)
def in_order(event: Rang) -> None:
    """One after the other, per bell."""
    _handle("in_order", [event])


@subscribe(Rang, queue=NOTIFICATIONS, batch=100, atomic=False, retry=RETRY)
def outside(events: Sequence[Rang], keys: Sequence[str]) -> Failures:
    """Outside any transaction; says itself what failed."""
    keys_seen.extend(keys)
    for event in events:
        if event.name in blocked:
            blocked[event.name].wait(30)
    handled.extend(("outside", event.name) for event in events if event.name not in poison)
    return {place: OSError("away") for place, event in enumerate(events) if event.name in poison}
