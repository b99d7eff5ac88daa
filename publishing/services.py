"""What people do with publishers: start them, publish a part of the log again, and let held streams go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Min, QuerySet
from django.db.models.functions import Now

from desk import audit
from events import Refused
from events.log.watermark import first_since, high_watermark
from events.models import StoredEvent
from publishing.engine.brokers import configured
from publishing.models import Cursor, HeldStream

WRITERS_WITHIN = 30.0
"""Seconds to wait for open transactions when a publisher starts."""
PUBLISHER, HELD = "publisher", "held stream"


@dataclass(frozen=True)
class Start:
    """What a start would do. `never`: how many of the events a running publisher has never published."""

    publisher: str
    after: int
    until: int
    backfill: bool
    never: int = 0

    @property
    def events(self) -> int:
        return StoredEvent.objects.filter(position__gt=self.after, position__lte=self.until).count()


def plan_start(publisher: str, since: int | datetime | None) -> Start:
    """What `start` with these arguments would do. `since`: a position, which is included, or a time; None for now.

    Raises Refused if it cannot be done.
    """
    if publisher not in configured():
        known = ", ".join(configured()) or "none"
        raise Refused("not-configured", f"{publisher} has no address in the settings. Configured: {known}.")
    last = _watermark()
    after = last if since is None else min(_before(since), last)
    live = list(Cursor.objects.filter(publisher=publisher, backfill=False))
    if not live:
        return Start(publisher, after, last, backfill=False)
    until = min(cursor.position for cursor in live)
    if since is None or after >= until:
        raise Refused("already-started", f"{publisher} runs and has not got past that: there is nothing to start.")
    first = min(cursor.first for cursor in live)
    never = StoredEvent.objects.filter(position__gt=after, position__lte=min(first, until)).count()
    return Start(publisher, after, until, backfill=True, never=never)


def start(plan: Start, *, actor: str, reason: str = "") -> None:
    """Makes the cursors: of the publisher itself, or beside it of a backfill. Raises Refused while one runs."""
    with transaction.atomic():
        cursors = Cursor.objects.select_for_update().filter(publisher=plan.publisher)
        if any(cursor.backfill == plan.backfill for cursor in cursors):
            what = "A backfill of" if plan.backfill else "The publisher"
            raise Refused("already-started", f"{what} {plan.publisher} is running: wait until it is done.")
        _make(plan.publisher, backfill=plan.backfill, first=plan.after, after=plan.after,
              until=plan.until if plan.backfill else None)  # fmt: skip
        details = {"after": str(plan.after), "backfill": str(plan.backfill)}
        audit.record(actor, "start", PUBLISHER, [plan.publisher], reason=reason, details=details)


def stop_backfill(publisher: str, *, actor: str, reason: str = "") -> None:
    """Raises Refused if none runs."""
    with transaction.atomic():
        if not Cursor.objects.filter(publisher=publisher, backfill=True).delete()[0]:
            raise Refused("not-running", f"No backfill of {publisher} is running.")
        audit.record(actor, "stop backfill", PUBLISHER, [publisher], reason=reason)


def divide(publisher: str) -> None:
    """Divides the publisher into as many slots as STREAMS_SLOTS says. Idempotent; called when it starts to run.

    All slots go on from the earliest position, so some events are published twice, and none is missed or overtaken.
    """
    with transaction.atomic():
        for backfill in (False, True):
            cursors = Cursor.objects.select_for_update().filter(publisher=publisher, backfill=backfill)
            found = list(cursors)
            if found and len(found) != settings.STREAMS_SLOTS:
                least = cursors.model.objects.filter(id__in=[one.id for one in found]).aggregate(
                    first=Min("first"), after=Min("position")
                )
                cursors.model.objects.filter(id__in=[one.id for one in found]).delete()
                _make(publisher, backfill=backfill, until=found[0].until, **least)


def _make(publisher: str, *, backfill: bool, first: int, after: int, until: int | None) -> None:
    slots = settings.STREAMS_SLOTS
    Cursor.objects.bulk_create(
        Cursor(publisher=publisher, slot=slot, slots=slots, backfill=backfill, first=first, position=after, until=until)
        for slot in range(slots)
    )


def _watermark() -> int:
    last = high_watermark(WRITERS_WITHIN)
    if last is None:
        raise Refused("open-writers", "A transaction that has appended events stays open. Try again when it has ended.")
    return last


def _before(since: int | datetime) -> int:
    """The position behind which publishing begins."""
    return max((first_since(since) if isinstance(since, datetime) else since) - 1, 0)


# --- held streams --------------------------------------------------------------------------------------------


def retry(held: QuerySet[HeldStream], *, actor: str, reason: str = "") -> int:
    """Makes held streams due, with all their attempts; returns how many."""
    with transaction.atomic():
        found = list(held.select_for_update().order_by("id"))
        HeldStream.objects.filter(id__in=[one.id for one in found]).update(due_at=Now(), attempts=0)
        _record(actor, "retry", found, reason)
    return len(found)


def skip(held: QuerySet[HeldStream], *, actor: str, reason: str) -> int:
    """Never publishes the refused event of these streams, and lets the later ones go on; returns how many streams.

    A stream that was skipped a moment ago, and has not been tried since, is left alone.
    """
    with transaction.atomic():
        found = list(held.select_for_update().exclude(error="").order_by("id"))
        _record(actor, "skip", found, reason)
        for one in found:
            one.position, one.attempts, one.error = one.position + 1, 0, ""
        HeldStream.objects.bulk_update(found, ["position", "attempts", "error"])
        HeldStream.objects.filter(id__in=[one.id for one in found]).update(due_at=Now())
    return len(found)


def _record(actor: str, action: str, found: Sequence[HeldStream], reason: str) -> None:
    for one in found:
        details = {"publisher": one.publisher, "stream": one.stream, "position": one.position, "error": one.error}
        audit.record(actor, action, HELD, [one.id], reason=reason, details=details)
