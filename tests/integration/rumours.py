"""Events whose handlers record events, for the tests of the kit for tests."""

from uuid import UUID

from celery import shared_task

from events import Backoff, Event, Refused
from events.declare.queues import STREAMS
from events.declare.routing import assign
from events.delivery.subscribe import subscribe
from events.log.append import emit
from orders.events import ORDERS

RETRY = Backoff(base=100, cap=600, attempts=3)
failures: list[Exception] = []
"""What the next calls of `deny` raise, one after the other."""


class Heard(Event, type="rumour.heard", version="1.0", stream="rumour_id"):
    """Somebody heard it."""

    rumour_id: UUID
    listeners: int
    """How many will hear it after this one."""


class Denied(Event, type="rumour.denied", version="1.0", stream="rumour_id"):
    """Somebody said that it is not true."""

    rumour_id: UUID
    by: str


@subscribe(Heard, queue=ORDERS, retry=RETRY)
def pass_on(event: Heard) -> None:
    """As long as there is somebody to tell."""
    if event.listeners:
        emit([Heard(rumour_id=event.rumour_id, listeners=event.listeners - 1)])


@subscribe(Denied, queue=ORDERS, retry=RETRY)
def deny(event: Denied) -> None:
    """Fails as the test says."""
    if event.by == "nobody":
        raise Refused("nobody-denies", "Nobody can deny anything.")
    if failures:
        raise failures.pop(0)


assign("tests.gossip", STREAMS)


@shared_task(name="tests.gossip")
def gossip(*, about: str) -> None:
    """An ordinary task, which may fail."""
    if about == "you":
        raise ValueError("not about you")
