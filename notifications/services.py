"""Writing and sending e-mails, many at once, each once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import transaction
from django.template.loader import render_to_string

from events.log import emit
from notifications.events import NotificationFailed, NotificationSent
from notifications.models import Kind, Notification
from notifications.ports import order_summaries


def notify(kind: Kind, order_ids: Sequence[UUID]) -> dict[UUID, Exception]:
    """Tells the customers of these orders; whoever has been told is left alone. Returns the failures, by order.

    Network work: must run outside a transaction. A process that dies between sending and writing that down
    sends again, under the same Message-ID.
    """
    unsent = [one for one in _written(kind, order_ids) if one.sent_at is None]
    failures = _send(unsent)
    now = datetime.now(UTC)
    for one in unsent:
        error = failures.get(one.order_id)
        one.sent_at, one.error = (None, str(error)) if error else (now, "")
    with transaction.atomic():
        Notification.objects.bulk_update(unsent, ["sent_at", "error"])
        emit(_event(one) for one in unsent)
    return failures


def resend(notification: Notification) -> None:
    """Sends once more what was sent before, because a person asks for it. Raises what the mail server raises."""
    with get_connection() as mail_server:
        mail_server.send_messages([_message(notification)])


def _event(one: Notification) -> NotificationSent | NotificationFailed:
    if one.error:
        return NotificationFailed(order_id=one.order_id, notification_id=one.id, kind=one.kind, error=one.error)
    return NotificationSent(order_id=one.order_id, notification_id=one.id, kind=one.kind)


def _written(kind: Kind, order_ids: Sequence[UUID]) -> list[Notification]:
    summaries = order_summaries(order_ids)
    drafts = [_draft(kind, order_id, summary) for order_id, summary in summaries.items()]
    Notification.objects.bulk_create(drafts, ignore_conflicts=True)
    return list(Notification.objects.filter(kind=kind, order_id__in=order_ids).order_by("id"))


def _draft(kind: Kind, order_id: UUID, summary: Mapping[str, Any]) -> Notification:
    context = {"order": summary}
    return Notification(
        order_id=order_id,
        kind=kind,
        recipient=summary["email"],
        subject=render_to_string(f"notifications/{kind}.subject.txt", context).strip(),
        text=render_to_string(f"notifications/{kind}.txt", context),
        html=render_to_string(f"notifications/{kind}.html", context),
    )


def _send(unsent: Sequence[Notification]) -> dict[UUID, Exception]:
    """One connection for all. A server that is away fails all; a bad address only its own."""
    if not unsent:
        return {}
    failures: dict[UUID, Exception] = {}
    try:
        with get_connection() as mail_server:
            for one in unsent:
                try:
                    mail_server.send_messages([_message(one)])
                except Exception as error:  # noqa: BLE001  one customer's failure is not another's
                    failures[one.order_id] = error
    except Exception as error:  # noqa: BLE001  no connection: all wait
        return {one.order_id: error for one in unsent}
    return failures


def _message(one: Notification) -> EmailMultiAlternatives:
    message = EmailMultiAlternatives(
        one.subject, one.text, to=[one.recipient], headers={"Message-ID": f"<{one.id}@notifications>"}
    )
    message.attach_alternative(one.html, "text/html")
    return message
