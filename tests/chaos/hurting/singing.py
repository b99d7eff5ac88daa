"""A saga whose first stage is a chord over two workers; each part does as the event says."""

from collections.abc import Sequence
from uuid import UUID

from events import Backoff, Event, Refused
from events.models import StoredEvent
from inventory.events import INVENTORY
from orders.events import ORDERS
from payments.events import PAYMENTS
from sagas import Call, Pivot, Refusals, Step, Together
from sagas.decorators import action
from sagas.saga import Saga

ONCE = Backoff(base=0.1, cap=0.2, attempts=1)
TWICE = Backoff(base=0.1, cap=0.2, attempts=2)


class Sung(Event, type="hurting.sung", version="1.0", stream="song_id"):
    """Two voices are wanted; the lower one may fail."""

    song_id: UUID
    low: str


@action(queue=INVENTORY, retry=ONCE)
def sing_low(calls: Sequence[Call]) -> Refusals:
    wanted = _wanted(calls)
    if "raises" in wanted.values():
        raise RuntimeError("hoarse")
    return {subject: Refused("shy", "Not today.") for subject, how in wanted.items() if how == "refuses"}


@action(queue=PAYMENTS, retry=TWICE)
def sing_high(calls: Sequence[Call]) -> None:
    if any(call.attempt == 1 and how == "startles" for call, how in zip(calls, _wanted(calls).values(), strict=True)):
        raise RuntimeError("startled")


@action(queue=INVENTORY, retry=TWICE)
def hush_low(calls: Sequence[Call]) -> None:
    """Nothing is to be undone."""


@action(queue=PAYMENTS, retry=TWICE)
def hush_high(calls: Sequence[Call]) -> None:
    """Nothing is to be undone."""


@action(queue=ORDERS, retry=TWICE)
def applaud(calls: Sequence[Call]) -> None:
    """Both have sung."""


class Duet(Saga, on=Sung):
    """A chord, and what comes behind it."""

    deadline = 60.0
    stages = (Together(Step(sing_low, undo=hush_low), Step(sing_high, undo=hush_high)), Pivot(applaud))


def _wanted(calls: Sequence[Call]) -> dict[UUID, str]:
    songs = {f"{Sung.stream_kind}:{call.subject}": call.subject for call in calls}
    found = dict(StoredEvent.objects.filter(stream__in=songs).values_list("stream", "data__low"))
    return {subject: found[stream] for stream, subject in songs.items()}
