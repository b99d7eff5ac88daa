"""What people do with unreadable messages: receive them again after the cause is mended, or discard them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from desk import audit
from events import Conflict, Refused
from events.delivery.failures import storable, summary_of
from publishing.inbox.arrived import Arrived, message_of
from publishing.inbox.intake import receive
from publishing.inbox.reading import Good, Skipped, Unread, read
from publishing.models import UnreadableMessage, UnreadableReason

KIND = "unreadable message"


@dataclass(frozen=True)
class Retried:
    """How many were received, had been received before, or still cannot be read."""

    received: int = 0
    repeated: int = 0
    unreadable: int = 0

    def __add__(self, other: Retried) -> Retried:
        return Retried(
            self.received + other.received, self.repeated + other.repeated, self.unreadable + other.unreadable
        )

    def __str__(self) -> str:
        parts = (f"{self.received} received", f"{self.repeated} had been received before")
        return ", ".join(parts) + f", {self.unreadable} still cannot be read."


def waiting() -> QuerySet[UnreadableMessage]:
    """Messages that were neither received nor discarded."""
    return UnreadableMessage.objects.filter(retried_at=None, discarded_at=None)


def retry(ids: Collection[int], *, actor: str) -> Retried:
    """Reads these messages with the code of now, each in its own transaction. Those that are gone are left out."""
    return sum((_retry_one(id_, actor) for id_ in sorted(ids)), Retried())


def _retry_one(id_: int, actor: str) -> Retried:
    try:
        with transaction.atomic():
            row = waiting().select_for_update(skip_locked=True).filter(id=id_).first()
            return _read_again(row, actor) if row else Retried()
    except Conflict:
        return Retried(unreadable=1)
    except Exception as error:  # noqa: BLE001  whatever its event makes the receivers of `domain_event` raise
        waiting().filter(id=id_).update(reason=UnreadableReason.FAILED, error=storable(summary_of(error)))
        return Retried(unreadable=1)


def _read_again(row: UnreadableMessage, actor: str) -> Retried:
    outcome = read(_arrived(row))
    if isinstance(outcome, Good):
        received = bool(receive([outcome]))
        row.retried_at = Now()
        row.save(update_fields=["retried_at"])
        audit.record(actor, "retry", KIND, [row.id])
        return Retried(received=int(received), repeated=int(not received))
    row.reason, row.error = _why(outcome)
    row.save(update_fields=["reason", "error"])
    return Retried(unreadable=1)


def _why(outcome: Skipped | Unread) -> tuple[UnreadableReason, str]:
    if isinstance(outcome, Unread):
        return outcome.reason, storable(outcome.error)
    what = f"No code declares {outcome.type!r}" if outcome.type else "It is not an event"
    return UnreadableReason.UNKNOWN_TYPE, storable(f"{what}: discard it, or deploy the code that reads it.")


def _arrived(row: UnreadableMessage) -> Arrived:
    message = message_of(row.headers, bytes(row.body))
    return Arrived(row.source, row.broker, row.place, message, row.partition, row.offset)


def discard(ids: Collection[int], *, actor: str, reason: str) -> int:
    """Marks waiting messages as discarded; returns how many. They are deleted after RETENTION_INBOX days.

    Raises Refused without a reason.
    """
    if not reason.strip():
        raise Refused("reason-missing", "Give a reason: a discarded message is never received.")
    with transaction.atomic():
        chosen = waiting().filter(id__in=list(ids)).order_by("id").select_for_update()
        discarded = list(chosen.values_list("id", flat=True))
        if discarded:
            UnreadableMessage.objects.filter(id__in=discarded).update(discarded_at=Now())
            audit.record(actor, "discard", KIND, discarded, reason=reason)
    return len(discarded)
