"""Writes and sends e-mails in batches, each e-mail once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
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

import msgspec
from django.core.exceptions import ValidationError
from django.core.mail import get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.template.loader import get_template
from msgspec.structs import astuple
from uuid_utils.compat import uuid7

from events.breakers.breaker import Breaker, declare_breaker
from events.db.query import execute
from events.db.reconnect import retry_on_disconnect
from events.declare.subscribers import GivenUp
from events.delivery.failures import message_of
from events.errors import Conflict
from events.log.append import emit
from events.log.context import context_of
from events.tracing import spans
from notifications import sql
from notifications.events import NotificationFailed, NotificationSent
from notifications.mail import Mail
from notifications.models import Kind, Notification, Webhook, WebhookDeliveryState
from notifications.ports import OrderSummary, order_summaries
from web.email_address import validate_email_address


def is_server_unreachable(error: Exception) -> bool:
    """Whether there is no connection to the mail server. A server that rejects one e-mail is reachable."""
    if isinstance(error, SMTPException):  # SMTPException is a subclass of OSError
        return isinstance(error, SMTPServerDisconnected | SMTPConnectError | SMTPHeloError)
    return isinstance(error, OSError)


SMTP = declare_breaker(
    Breaker(
        "smtp", is_fault=is_server_unreachable, minimum_calls=10, error_ratio=0.5, in_a_row=10, cool_down=10.0, probes=2
    )
)


class UnsendableAddress(ValueError):
    """No message can carry this address, or it would reach another one. Correct it in the order."""


class Occasion(msgspec.Struct, frozen=True):
    """The reason for one e-mail to an order's customer. `about` is the id of the order, a shipment, a return and so on.

    `goods` are (SKU, quantity) pairs; the templates get them and `facts`.
    """

    order_id: UUID
    about: UUID
    goods: Sequence[tuple[str, int]] = ()
    facts: Mapping[str, Any] = {}


class OutgoingMail(msgspec.Struct, frozen=True):
    """The fields of a `Notification` that sending needs, without the cost of a model instance."""

    id: UUID
    order_id: UUID
    about: UUID
    recipient: str
    subject: str
    text: str
    html: str


Outcome = tuple[OutgoingMail, Exception | None]
RECORD_EVERY = 1.0
"""Seconds after which the outcomes of sent e-mails are recorded."""
SERVICE_CLOSING = 421
"""The SMTP code after which the server closes the connection."""
MAILING = spans.shape("send mail", spans.Kind.CLIENT)
CONFLICTS = 10
"""How many conflicts in a row are retried before one is raised."""


def notify(kind: Kind, order_ids: Sequence[UUID]) -> dict[UUID, Exception]:
    """Sends an e-mail about each order itself; see `notify_occasions`."""
    return notify_occasions(kind, [Occasion(order_id, order_id) for order_id in order_ids])


def notify_occasions(kind: Kind, occasions: Sequence[Occasion]) -> dict[UUID, Exception]:
    """Sends an e-mail for each occasion that has none yet. Returns the failures by `Occasion.about`. Idempotent.

    Must run outside a transaction, because it uses the network. Outcomes are recorded every second. If the process
    dies, a retry sends the e-mails of that second again, with the same Message-ID.
    """
    failures: dict[UUID, Exception] = {}
    outcomes: list[Outcome] = []
    began = time.monotonic()
    for mail, error in _send(_unsent(kind, occasions)):
        outcomes.append((mail, error))
        if error:
            failures[mail.about] = error
        if time.monotonic() - began > RECORD_EVERY:
            _record_with_retries(kind, outcomes)
            outcomes, began = [], time.monotonic()
    if outcomes:
        _record_with_retries(kind, outcomes)
    return failures


def resend(notification: Notification) -> None:
    """Sends an e-mail again, whether or not it was sent before. Raises what the mail server raises."""
    with get_connection() as mail_server:
        mail_server.send_messages([_message(notification)])


def notify_webhook_owner(webhook_id: UUID, key: str) -> None:
    """Mails the owner of a webhook that it was switched off. `key` gives the Message-ID, so mail servers drop repeats.

    Must run outside a transaction, because it uses the network. Raises what the mail server raises.
    """
    webhook = Webhook.objects.select_related("owner").filter(id=webhook_id, deleted_at=None).first()
    if webhook is None or not webhook.owner.email or webhook.disabled_at is None:
        return  # there is no recipient, or the webhook is on again
    context = {"webhook": webhook, "waiting": webhook.deliveries.filter(state=WebhookDeliveryState.PENDING).count()}
    text, html = _templates("webhook_disabled")
    message_id = f"<{key.replace(':', '.')}@notifications>"
    written, pretty = text.render(context), html.render(context)
    Mail("Your webhook was switched off", written, pretty, to=webhook.owner.email, message_id=message_id).send()


def _unsent(kind: Kind, occasions: Sequence[Occasion]) -> list[OutgoingMail]:
    """The e-mails to send, each with its row. A row that exists already keeps its text."""
    once = {one.about: one for one in occasions}.values()
    orders = order_summaries(list({one.order_id for one in once}))
    drafts = [_draft(kind, one, order) for one in once if (order := orders.get(one.order_id))]
    if not drafts:
        return []
    columns: list[list[Any]] = [list(column) for column in zip(*map(astuple, drafts), strict=True)]
    added = execute(sql.ADD_NOTIFICATIONS, [kind.value, *columns])
    if len(added) == len(drafts):
        return drafts
    fresh = {id_ for (id_,) in added}
    known = [one for one in drafts if one.id not in fresh]
    rows = execute(sql.UNSENT, [[one.order_id for one in known], kind.value, [one.about for one in known]])
    return [OutgoingMail(*row) for row in rows] + [one for one in drafts if one.id in fresh]


def _draft(kind: Kind, occasion: Occasion, order: OrderSummary) -> OutgoingMail:
    names = {line.sku: line.name for line in order.lines}
    goods = [{"name": names.get(sku, sku), "quantity": quantity} for sku, quantity in occasion.goods]
    context = {"order": order, "goods": goods, **occasion.facts}
    plain, html = (template.render(context) for template in _templates(kind))
    subject, _, text = plain.removeprefix("Subject: ").partition("\n\n")
    return OutgoingMail(uuid7(), occasion.order_id, occasion.about, order.email, subject, text, html)


@cache
def _templates(name: str) -> tuple[Any, Any]:
    """The templates of the text, which begins with the subject for e-mails about orders, and of the HTML."""
    text, html = (get_template(f"notifications/{name}.{part}", using="jinja2") for part in ("txt", "html"))
    return text, html


def _send(mails: Sequence[OutgoingMail]) -> Iterator[Outcome]:
    """Sends over one connection. Whatever is wrong with an e-mail, even if the server hangs up on it, fails it alone.

    If the server cannot be reached, or hangs up on two in a row, all that follow fail without being tried.
    """
    mail_server = get_connection()
    outage: Exception | None = None
    hung_up_before = False
    try:
        for mail in mails:
            failure = outage or _failure_to_open(mail_server)
            if failure is None:
                failure = _failure_to_send(mail_server, mail)
                hung_up = failure is not None and _hung_up(failure)
                outage = failure if hung_up and hung_up_before else None
                hung_up_before = hung_up
            else:
                outage = failure
            yield mail, failure
    finally:
        _close(mail_server)


def _failure_to_open(mail_server: BaseEmailBackend) -> Exception | None:
    """Connects unless there is a connection; returns what went wrong."""
    try:
        mail_server.open()
    except Exception as error:  # noqa: BLE001  mail backends raise any type
        return error
    return None


def _failure_to_send(mail_server: BaseEmailBackend, mail: OutgoingMail) -> Exception | None:
    """Sends one e-mail; returns what went wrong. It keeps the connection only if the server's state is certain."""
    try:
        with spans.calling(MAILING, context_of(str(mail.order_id)).traceparent):
            mail_server.send_messages([_message(mail)])
    except Exception as error:  # noqa: BLE001  of the server, or of an e-mail that no message can hold
        if _hung_up(error) or not isinstance(error, SMTPResponseException | SMTPRecipientsRefused):
            _close(mail_server)
        return error
    return None


def _hung_up(error: Exception) -> bool:
    return is_server_unreachable(error) or getattr(error, "smtp_code", None) == SERVICE_CLOSING


def _close(mail_server: BaseEmailBackend) -> None:
    with suppress(SMTPException, OSError):  # there is nothing left to say to a server that is gone
        mail_server.close()


def _message(one: OutgoingMail | Notification) -> Mail:
    """Raises UnsendableAddress: an older row may hold an address that is no longer accepted."""
    try:
        validate_email_address(one.recipient)
    except ValidationError as error:
        raise UnsendableAddress(error.message) from error
    return Mail(one.subject, one.text, one.html, to=one.recipient, message_id=f"<{one.id}@notifications>")


def _record_with_retries(kind: Kind, outcomes: Sequence[Outcome]) -> None:
    """Records outcomes, with retries: an e-mail that was sent and not recorded would be sent again."""
    conflicts = 0
    while True:
        try:
            return retry_on_disconnect(_record)(kind, outcomes)
        except Conflict:  # another worker concurrently records an e-mail of one of these orders
            conflicts += 1
            if conflicts == CONFLICTS:
                raise


def _record(kind: Kind, outcomes: Sequence[Outcome]) -> None:
    """The rows and the log, in one transaction."""
    failed = [(letter.id, message_of(error)) for letter, error in outcomes if error]
    with transaction.atomic():
        execute(sql.SENT, [[mail.id for mail, error in outcomes if not error]])
        if failed:
            execute(sql.UNSENDABLE, [[id_ for id_, _ in failed], [error for _, error in failed]])
        emit(
            NotificationSent(order_id=mail.order_id, notification_id=mail.id, kind=kind.value)
            for mail, error in outcomes
            if not error
        )


def record_given_up(kind: Kind, about: UUID, lost: GivenUp) -> None:
    """Records that an e-mail could not be sent. Must run in a transaction; raises Conflict as `emit` does.

    The event holds the error's type only, because messages can contain the customer's address.
    """
    order_id: UUID = lost.event.order_id  # type: ignore[attr-defined]  # the events of all e-mails are about an order
    written = Notification.objects.filter(order_id=order_id, kind=kind, about=about).values_list("id", flat=True)
    emit(
        NotificationFailed(
            order_id=order_id, notification_id=id_, kind=kind.value,
            error=lost.error_type.rpartition(".")[2], attempts=lost.attempts,
        )
        for id_ in written
    )  # fmt: skip
