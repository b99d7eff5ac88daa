"""A saga whose step kills its process."""

import os
import signal
from collections.abc import Sequence

from events import Backoff
from events.models import StoredEvent
from inventory.events import INVENTORY
from orders.events import ORDERS
from sagas import Call, Pivot, Step
from sagas.decorators import action
from sagas.saga import Saga
from tests.chaos.hurting.handlers import Stung

RETRY = Backoff(base=0.1, cap=0.2, attempts=2)


@action(queue=INVENTORY, retry=RETRY)
def survive(calls: Sequence[Call]) -> None:
    doomed = [f"{Stung.stream_kind}:{call.subject}" for call in calls]
    if StoredEvent.objects.filter(stream__in=doomed, data__how="dies").exists():
        os.kill(os.getpid(), signal.SIGKILL)


@action(queue=INVENTORY, retry=RETRY)
def mourn(calls: Sequence[Call]) -> None:
    """Nothing is to be undone."""


@action(queue=ORDERS, retry=RETRY)
def rejoice(calls: Sequence[Call]) -> None:
    """The run has come through."""


class Ordeal(Saga, on=Stung, when=lambda event: event.who == "saga"):
    """One step that may kill, and one behind it."""

    deadline = 1.0
    stages = (Step(survive, undo=mourn), Pivot(rejoice))
