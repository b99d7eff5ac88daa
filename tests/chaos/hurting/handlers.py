"""Subscribers that kill their process, or hang, where the event tells them to."""

import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from django.db import connection

from events import Backoff, Event
from events.declare.queues import STREAMS
from events.delivery.subscribe import subscribe
from inventory.events import INVENTORY
from notifications.events import NOTIFICATIONS
from orders.events import ORDERS

RETRY = Backoff(base=0.1, cap=0.2, attempts=2)


class Stung(Event, type="hurting.stung", version="1.0", stream="victim_id"):
    """Somebody was stung, and it shows in `who` as `how`."""

    victim_id: UUID
    who: str
    how: str


def _suffer(me: str, event: Stung) -> None:
    if event.who != me:
        return
    match event.how:
        case "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        case "sleeps":
            time.sleep(600)
        case "queries":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(600)")
        case "spins":
            while True:
                time.sleep(0.01)
        case "swallows":
            with suppress(Exception):
                time.sleep(600)
            time.sleep(600)
        case "works long":
            time.sleep(12)


@subscribe(Stung, queue=INVENTORY, batch=50, retry=RETRY, time_limit=1.5)
def batch(events: Sequence[Stung]) -> None:
    """On the solo worker, in a transaction."""
    for event in events:
        _suffer("batch", event)


@subscribe(Stung, queue=ORDERS, retry=RETRY)
def single(event: Stung) -> None:
    """On the solo worker, one by one and patiently."""
    _suffer("single", event)


@subscribe(Stung, queue=NOTIFICATIONS, atomic=False, batch=50, retry=RETRY, time_limit=1.5)
def threaded(events: Sequence[Stung]) -> None:
    """In a thread, outside any transaction."""
    for event in events:
        _suffer("threaded", event)


@subscribe(Stung, queue=STREAMS, at_relay=True, batch=50, retry=RETRY)
def inline(events: Sequence[Stung]) -> None:
    """Within the relay's own claim."""
    for event in events:
        _suffer("inline", event)
