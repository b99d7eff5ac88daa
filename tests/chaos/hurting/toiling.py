"""Work that takes as long as its event says, with a diary of every try, and an event that is there once it is done."""

import os
import time
from pathlib import Path
from typing import Any
from uuid import UUID

from celery.signals import task_prerun
from django.db import connection

from events import Backoff, Event
from events.delivery.subscribe import subscribe
from events.log.append import emit
from events.models import StoredEvent
from notifications.events import NOTIFICATIONS

RETRY = Backoff(base=0.1, cap=0.2, attempts=2)
DIARY = "DIARY"
"""The variable that names the file."""


class Toiled(Event, type="hurting.toiled", version="1.0", stream="toil_id"):
    """Somebody is to work for so many seconds."""

    toil_id: UUID
    seconds: float


class Rested(Event, type="hurting.rested", version="1.0", stream="toil_id"):
    """The work is done."""

    toil_id: UUID


@subscribe(Toiled, queue=NOTIFICATIONS, retry=RETRY)
def toil(event: Toiled) -> None:
    """In a thread; its effect and its "done" are one transaction."""
    _note("begun")
    ends = time.monotonic() + event.seconds
    while time.monotonic() < ends:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.1)")
    emit([Rested(toil_id=event.toil_id)])


@task_prerun.connect
def _taken(task: Any, **_: Any) -> None:
    if task.name == "tests.toil":
        _note("message")


def _note(what: str) -> None:
    with Path(os.environ[DIARY]).open("a") as diary:
        diary.write(f"{what}\n")


def noted(diary: Path, what: str) -> int:
    """How often, in whatever process."""
    return diary.read_text().split().count(what) if diary.exists() else 0


def times_done(toil_id: UUID) -> int:
    return StoredEvent.objects.filter(type=Rested.type, data__toilId=str(toil_id)).count()
