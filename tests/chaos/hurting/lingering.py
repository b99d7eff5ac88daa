"""Work that lasts longer than anybody waits when it is tried for the first time, and no time when tried again."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from uuid import UUID

from django.conf import settings
from redis import Redis

from events import Backoff, Event
from events.delivery.subscribe import subscribe
from notifications.events import NOTIFICATIONS
from payments.events import PAYMENTS
from sagas import Answer, Call, Step
from sagas.decorators import action, network_action
from sagas.saga import Saga

FOREVER = 120.0
RETRY = Backoff(base=0.1, cap=0.2, attempts=2)


class Lingered(Event, type="hurting.lingered", version="1.0", stream="visitor_id"):
    """Somebody came to stay with `who`."""

    visitor_id: UUID
    who: str


def tries(who: str, subject: UUID) -> int:
    """How often this was begun, in whatever process."""
    return int(_diary().get(f"lingered:{who}:{subject}") or 0)


def _first_time(who: str, subject: UUID) -> bool:
    return _diary().incr(f"lingered:{who}:{subject}") == 1


def _diary() -> Redis:
    return Redis.from_url(settings.REDIS_URL)


@subscribe(Lingered, queue=NOTIFICATIONS, atomic=False, retry=RETRY)
def linger_outside(event: Lingered) -> None:
    """Outside any transaction, under a lease."""
    if event.who == "outside" and _first_time("outside", event.visitor_id):
        time.sleep(FOREVER)


@subscribe(Lingered, queue=NOTIFICATIONS, retry=RETRY)
def linger_inside(event: Lingered) -> None:
    """In a transaction, which ends with the process."""
    if event.who == "inside" and _first_time("inside", event.visitor_id):
        time.sleep(FOREVER)


def _all(calls: Sequence[Call]) -> Mapping[UUID, str]:
    return {call.subject: "" for call in calls}


def _nothing(answers: Sequence[Answer[str, None]]) -> None: ...


@network_action(queue=PAYMENTS, load=_all, save=_nothing, retry=RETRY, patience=0.2)
async def call_on(call: Call, given: str) -> None:
    if _first_time("saga", call.subject):
        await asyncio.sleep(FOREVER)


@action(queue=PAYMENTS, retry=RETRY)
def take_leave(calls: Sequence[Call]) -> None:
    """Nothing is to be undone."""


class Stay(Saga, on=Lingered, when=lambda event: event.who == "saga"):
    """One call that lasts."""

    stages = (Step(call_on, undo=take_leave),)
