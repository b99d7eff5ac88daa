"""Writing and sending e-mails, many at once, each once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
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
from django.core.mail import get_connection
from django.db import transaction
from django.template.loader import get_template
from msgspec.structs import astuple
from uuid_utils.compat import uuid7

from events.breaker import Breaker, declare_breaker
from events.errors import Conflict
from events.log import emit
from events.patience import patiently
from notifications import sql
from notifications.events import NotificationFailed, NotificationSent
from notifications.mail import Mail
from notifications.models import Kind, Notification, Webhook, WebhookDeliveryState
from notifications.ports import OrderSummary, order_summaries


def server_away(error: Exception) -> bool:
    """No connection, or a lost one; a server that says no to one mail is there."""
    if isinstance(error, SMTPException):  # which is an OSError itself
        return isinstance(error, SMTPServerDisconnected | SMTPConnectError | SMTPHeloError)
    return isinstance(error, OSError)


SMTP = declare_breaker(
    Breaker("smtp", is_fault=server_away, minimum_calls=10, error_ratio=0.5, in_a_row=10, cool_down=10.0, probes=2)
)


class Occasion(msgspec.Struct, frozen=True):
    """Something to tell an order's customer once. `about` is the order itself, a shipment or a return.

    `goods` are the products that it is about, (SKU, quantity) each; `facts` go into the templates.
    """

    order_id: UUID
    about: UUID
    goods: Sequence[tuple[str, int]] = ()
    facts: Mapping[str, Any] = {}


class Letter(msgspec.Struct, frozen=True):
    """A `Notification` on its way, as light as it can be."""

    id: UUID
    order_id: UUID
    about: UUID
    recipient: str
    subject: str
    text: str
    html: str


Outcome = tuple[Letter, Exception | None]
WRITTEN_DOWN_EVERY = 1.0
"""Seconds."""
CONFLICTS = 10
"""In a row, until one is raised."""


def notify(kind: Kind, order_ids: Sequence[UUID]) -> dict[UUID, Exception]:
    """Tells the customers of these orders what happens to an order once; see `tell`."""
    return tell(kind, [Occasion(order_id, order_id) for order_id in order_ids])


def tell(kind: Kind, occasions: Sequence[Occasion]) -> dict[UUID, Exception]:
    """Tells customers of these; whoever has been told is left alone. Returns the failures, by what they are about.

    Network work: must run outside a transaction. What has left is written down every second. A process that dies
    sends that second's letters again, under the same Message-ID.
    """
    failures: dict[UUID, Exception] = {}
    outcomes: list[Outcome] = []
    began = time.monotonic()
    for letter, error in _send(_unsent(kind, occasions)):
        outcomes.append((letter, error))
        if error:
            failures[letter.about] = error
        if time.monotonic() - began > WRITTEN_DOWN_EVERY:
            _write_down(kind, outcomes)
            outcomes, began = [], time.monotonic()
    if outcomes:
        _write_down(kind, outcomes)
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
    text, html = _templates("webhook_disabled")
    message_id = f"<{key.replace(':', '.')}@notifications>"
    written, pretty = text.render(context), html.render(context)
    Mail("Your webhook was switched off", written, pretty, to=webhook.owner.email, message_id=message_id).send()


def _unsent(kind: Kind, occasions: Sequence[Occasion]) -> list[Letter]:
    """The letters that have not left yet, each with its row. One that was written before stays as it was."""
    once = {one.about: one for one in occasions}.values()
    orders = order_summaries(list({one.order_id for one in once}))
    drafts = [_draft(kind, one, order) for one in once if (order := orders.get(one.order_id))]
    if not drafts:
        return []
    columns: list[list[Any]] = [list(column) for column in zip(*map(astuple, drafts), strict=True)]
    added = sql.run(sql.ADD_LETTERS, [kind.value, *columns])
    if len(added) == len(drafts):
        return drafts
    fresh = {id_ for (id_,) in added}
    known = [one for one in drafts if one.id not in fresh]
    rows = sql.run(sql.UNSENT, [[one.order_id for one in known], kind.value, [one.about for one in known]])
    return [Letter(*row) for row in rows] + [one for one in drafts if one.id in fresh]


def _draft(kind: Kind, occasion: Occasion, order: OrderSummary) -> Letter:
    names = {line.sku: line.name for line in order.lines}
    goods = [{"name": names.get(sku, sku), "quantity": quantity} for sku, quantity in occasion.goods]
    context = {"order": order, "goods": goods, **occasion.facts}
    plain, html = (template.render(context) for template in _templates(kind))
    subject, _, text = plain.removeprefix("Subject: ").partition("\n\n")
    return Letter(uuid7(), occasion.order_id, occasion.about, order.email, subject, text, html)


@cache
def _templates(name: str) -> tuple[Any, Any]:
    """Of the text, which for orders begins with the subject, and of the HTML."""
    text, html = (get_template(f"notifications/{name}.{part}", using="jinja2") for part in ("txt", "html"))
    return text, html


def _send(letters: Sequence[Letter]) -> Iterator[Outcome]:
    """One connection for all. A bad address fails its own letter only, a lost server all that it has not taken."""
    tried = 0
    try:
        with get_connection() as mail_server:
            for letter in letters:
                error = None
                try:
                    mail_server.send_messages([_message(letter)])
                except (SMTPResponseException, SMTPRecipientsRefused) as refused:
                    error = refused
                tried += 1
                yield letter, error
    except Exception as error:  # noqa: BLE001  whatever a mail backend raises: those that wait try again
        for letter in letters[tried:]:
            yield letter, error


def _message(one: Letter | Notification) -> Mail:
    return Mail(one.subject, one.text, one.html, to=one.recipient, message_id=f"<{one.id}@notifications>")


def _write_down(kind: Kind, outcomes: Sequence[Outcome]) -> None:
    """Tries again whatever comes between: a letter that has left and is not written down would leave once more."""
    conflicts = 0
    while True:
        try:
            return patiently(partial(_record, kind, outcomes))
        except Conflict:  # another worker tells one of these customers something else at this instant
            conflicts += 1
            if conflicts == CONFLICTS:
                raise


def _record(kind: Kind, outcomes: Sequence[Outcome]) -> None:
    """The rows and the log, in one transaction."""
    failed = [(letter.id, str(error).replace("\0", "")) for letter, error in outcomes if error]
    with transaction.atomic():
        sql.run(sql.SENT, [[letter.id for letter, error in outcomes if not error]])
        if failed:
            sql.run(sql.UNSENDABLE, [[id_ for id_, _ in failed], [error for _, error in failed]])
        emit(_event(kind, letter, error) for letter, error in outcomes)


def _event(kind: Kind, letter: Letter, error: Exception | None) -> NotificationSent | NotificationFailed:
    """The log keeps the error's kind only: a mail server's own words name the customer's address."""
    if error:
        kind_of_error = type(error).__name__
        return NotificationFailed(
            order_id=letter.order_id, notification_id=letter.id, kind=kind.value, error=kind_of_error
        )
    return NotificationSent(order_id=letter.order_id, notification_id=letter.id, kind=kind.value)
