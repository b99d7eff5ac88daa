"""What a Celery worker tells Flower of its messages: the work that they carry, and what becomes of periodic tasks.

Celery's own events of these tasks are off (`send_events=False`), because they say what a message carried and not what
was done.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from celery import Celery
from celery.signals import task_postrun, task_prerun

from events.monitor import pieces
from events.monitor.pieces import Carrier, Kind, problem_of
from events.monitor.sender import Sender, tell_flower

_periodic: set[str] = set()
_state = threading.local()


def install(app: Celery, node: str, periodic: Iterable[str]) -> Sender:
    """This worker tells Flower what it does. Call it once, before a pool forks.

    `periodic`: the names of the tasks that beat sends.
    """
    for name in periodic:
        if name in app.tasks:
            task: Any = app.tasks[name]
            task.send_events = False
            _periodic.add(name)
    task_prerun.connect(_begin, weak=False)
    task_postrun.connect(_end, weak=False)
    return tell_flower(app, node=node)


def _begin(sender: Any, task_id: str, **_: Any) -> None:
    if not sender.send_events:
        pieces.begin(Carrier(task_id, sender.name, sender.request.root_id))


def _end(sender: Any, retval: Any = None, state: str | None = None, **_: Any) -> None:
    if sender.send_events:
        return
    carrier = pieces.end()
    if carrier is None:
        return
    if isinstance(retval, BaseException):
        pieces.tell_of_carrier(carrier, _kind(carrier), problem=problem_of(retval))
    elif carrier.name in _periodic:
        _tell_of_periodic(carrier, retval)
    elif carrier.shown and not carrier.used:
        pieces.tell_of_carrier(carrier, Kind.MESSAGE, result="nothing was left to do")


def _kind(carrier: Carrier) -> Kind:
    return Kind.PERIODIC if carrier.name in _periodic else Kind.MESSAGE


def _tell_of_periodic(carrier: Carrier, found: object) -> None:
    """Those that found nothing to do share one line in Flower. Else they would drive everything else out of it."""
    idle = "" if found or carrier.shown else str(uuid5(NAMESPACE_OID, f"idle {carrier.name}"))
    pieces.tell_of_carrier(carrier, Kind.PERIODIC, result=repr(found), id_=idle)
