"""Writing and sending e-mails, many at once, each once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from smtplib import (
    SMTPConnectError,
    SMTPException,
    SMTPHeloError,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPServerDisconnected,
)
from typing import Any
from uuid import UUID

from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import transaction
from django.template.loader import render_to_string

from events.breaker import Breaker, declare_breaker
from events.log import emit
from notifications import sql
from notifications.events import NotificationFailed, NotificationSent
from notifications.models import Kind, Notification, Webhook, WebhookDeliveryState
from notifications.ports import order_summaries


def server_away(error: Exception) -> bool:
    """No connection, or a lost one; a server that says no to one mail is there."""
    if isinstance(error, SMTPException):  # which is an OSError itself
        return isinstance(error, SMTPServerDisconnected | SMTPConnectError | SMTPHeloError)
    return isinstance(error, OSError)


SMTP = declare_breaker(
    Breaker("smtp", is_fault=server_away, minimum_calls=10, error_ratio=0.5, in_a_row=10, cool_down=10.0, probes=2)
)


@dataclass(frozen=True)
class Occasion:
    """Something to tell an order's customer once. `about` is the order itself, a shipment or a return.

    `goods` are the products that it is about, (SKU, quantity) each; `facts` go into the templates.
    """

    order_id: UUID
    about: UUID
    goods: Sequence[tuple[str, int]] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def notify(kind: Kind, order_ids: Sequence[UUID]) -> dict[UUID, Exception]:
    """Tells the customers of these orders what happens to an order once; see `tell`."""
    return tell(kind, [Occasion(order_id, order_id) for order_id in order_ids])


def tell(kind: Kind, occasions: Sequence[Occasion]) -> dict[UUID, Exception]:
    """Tells customers of these; whoever has been told is left alone. Returns the failures, by what they are about.

    Network work: must run outside a transaction. A process that dies between sending and writing that down
    sends again, under the same Message-ID.
    """
    unsent = [one for one in _written(kind, occasions) if one.sent_at is None]
    if not unsent:
        return {}
    failures = _send(unsent)
    now = datetime.now(UTC)
    for one in unsent:
        error = failures.get(one.about)
        one.sent_at, one.error = (None, str(error)) if error else (now, "")
    with transaction.atomic():
        sql.run(sql.SENT, [[one.id for one in unsent], [one.sent_at for one in unsent], [one.error for one in unsent]])
        emit(_event(one, failures.get(one.about)) for one in unsent)
    return failures


def resend(notification: Notification) -> None:
    """Sends once more what was sent before, because a person asks for it. Raises what the mail server raises."""
    with get_connection() as mail_server:
        mail_server.send_messages([_message(notification)])


def tell_owner(webhook_id: UUID, key: str) -> None:
    """That the webhook was switched off. Told again under the same key, a mail server drops it.

    Network work: must run outside a transaction. Raises what the mail server raises.
    """
    webhook = Webhook.objects.select_related("owner").filter(id=webhook_id, deleted_at=None).first()
    if webhook is None or not webhook.owner.email or webhook.disabled_at is None:
        return  # there is nobody to tell, or nothing any more
    context = {"webhook": webhook, "waiting": webhook.deliveries.filter(state=WebhookDeliveryState.PENDING).count()}
    message = EmailMultiAlternatives(
        "Your webhook was switched off",
        render_to_string("notifications/webhook_disabled.txt", context),
        to=[webhook.owner.email],
        headers={"Message-ID": f"<{key.replace(':', '.')}@notifications>"},
    )
    message.attach_alternative(render_to_string("notifications/webhook_disabled.html", context), "text/html")
    message.send()


def _event(one: Notification, error: Exception | None) -> NotificationSent | NotificationFailed:
    """The log keeps the error's kind only: a mail server's own words name the customer's address."""
    if error:
        kind_of_error = type(error).__name__
        return NotificationFailed(order_id=one.order_id, notification_id=one.id, kind=one.kind, error=kind_of_error)
    return NotificationSent(order_id=one.order_id, notification_id=one.id, kind=one.kind)


def _written(kind: Kind, occasions: Sequence[Occasion]) -> list[Notification]:
    order_ids = {one.order_id for one in occasions}
    summaries = order_summaries(list(order_ids))
    drafts = [_draft(kind, one, summaries[one.order_id]) for one in occasions if one.order_id in summaries]
    Notification.objects.bulk_create(drafts, ignore_conflicts=True)
    about = [one.about for one in occasions]
    return list(Notification.objects.filter(kind=kind, order_id__in=order_ids, about__in=about).order_by("id"))


def _draft(kind: Kind, occasion: Occasion, summary: Mapping[str, Any]) -> Notification:
    names = {item["sku"]: item["name"] for item in summary["items"]}
    goods = [{"name": names.get(sku, sku), "quantity": quantity} for sku, quantity in occasion.goods]
    context = {"order": summary, "goods": goods, **occasion.facts}
    return Notification(
        order_id=occasion.order_id,
        about=occasion.about,
        kind=kind,
        recipient=summary["email"],
        subject=render_to_string(f"notifications/{kind}.subject.txt", context).strip(),
        text=render_to_string(f"notifications/{kind}.txt", context),
        html=render_to_string(f"notifications/{kind}.html", context),
    )


def _send(unsent: Sequence[Notification]) -> dict[UUID, Exception]:
    """One connection for all. A bad address fails its own mail only, a lost server all that it has not taken."""
    failures: dict[UUID, Exception] = {}
    waiting = list(unsent)
    try:
        with get_connection() as mail_server:
            while waiting:
                try:
                    mail_server.send_messages([_message(waiting[0])])
                except (SMTPResponseException, SMTPRecipientsRefused) as refused:
                    failures[waiting[0].about] = refused
                waiting.pop(0)
    except Exception as error:  # noqa: BLE001  whatever a mail backend raises: those that wait try again
        failures.update({one.about: error for one in waiting})
    return failures


def _message(one: Notification) -> EmailMultiAlternatives:
    message = EmailMultiAlternatives(
        one.subject, one.text, to=[one.recipient], headers={"Message-ID": f"<{one.id}@notifications>"}
    )
    message.attach_alternative(one.html, "text/html")
    return message
