"""What becomes of a webhook: made, changed, tested, switched off, deleted."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import transaction

from events import Refused
from events.audit import note
from events.log import emit
from notifications import sql
from notifications.events import WebhookDisabled, WebhookTested
from notifications.models import DisabledReason, Webhook, WebhookDelivery
from notifications.webhooks import fan_out
from notifications.webhooks.secrets import Keyring

MOST = 20
"""Webhooks of one owner."""


class NoSuchWebhook(LookupError):
    """It was deleted meanwhile, or its owner was."""


def create(
    owner_id: UUID, *, url: str, event_types: Sequence[str], description: str, everything: bool
) -> tuple[Webhook, str]:
    """The webhook and its secret, which is never shown again. From now on it hears what happens.

    Raises Refused where the owner has too many, and NoSuchWebhook for an owner that is gone.
    """
    keyring = Keyring.new()
    with transaction.atomic():
        if not _users().select_for_update(no_key=True).filter(pk=owner_id, is_active=True).exists():
            raise NoSuchWebhook
        if Webhook.objects.filter(owner_id=owner_id, deleted_at=None).count() >= MOST:
            raise Refused("too-many-webhooks", f"You have {MOST} webhooks, which is as many as there may be.")
        webhook = Webhook.objects.create(
            owner_id=owner_id,
            url=url,
            event_types=list(event_types),
            description=description,
            sealed=keyring.seal(),
            everything=everything,
        )
    _let_all_notice(webhook)
    return webhook, keyring.current


def change(webhook_id: UUID, *, everything: bool, enabled: bool | None = None, **fields: Any) -> Webhook:
    """`everything` is what its owner may hear now. Switched on again, it sends what has been waiting for it."""
    with transaction.atomic():
        webhook = _locked(webhook_id)
        was_on = webhook.disabled_at is None
        for name, value in fields.items():
            setattr(webhook, name, value)
        webhook.everything = everything
        if enabled is not None and enabled != was_on:
            _switch(webhook, on=enabled)
        webhook.save()
    if webhook.disabled_at is None and (enabled or "event_types" in fields):
        _let_all_notice(webhook)
    if webhook.disabled_at is None and (enabled or "url" in fields):
        fan_out.hurry()
    return webhook


def delete(webhook_id: UUID) -> None:
    """Its log is forgotten later, in batches; nothing is sent any more, and nothing could be signed."""
    with transaction.atomic():
        webhook = _locked(webhook_id)
        webhook.deleted_at = datetime.now(UTC)
        webhook.disabled_at = webhook.disabled_at or webhook.deleted_at
        webhook.sealed = ""
        webhook.save()


def rotate_secret(webhook_id: UUID) -> tuple[Webhook, str]:
    """A new secret; the old one signs beside it for 24 hours."""
    with transaction.atomic():
        webhook = _locked(webhook_id)
        keyring = Keyring.open(webhook.sealed).rotated(datetime.now(UTC))
        webhook.sealed = keyring.seal()
        webhook.save(update_fields=["sealed", "updated_at"])
    return webhook, keyring.current


def test(webhook_id: UUID) -> WebhookDelivery:
    """Sends it an event of its own, whatever it asks for. Raises Refused if it is switched off."""
    with transaction.atomic():
        webhook = _locked(webhook_id)
        _check_on(webhook)
        (recorded,) = emit([WebhookTested(webhook_id=webhook.id)])
        fan_out.add([(webhook.id, recorded.position)])
    return webhook.deliveries.get(event_id=recorded.position)


def redeliver(delivery: WebhookDelivery) -> None:
    """Again, with all its attempts, and under the same `webhook-id`. Raises Refused if its webhook is switched off."""
    _check_on(delivery.webhook)
    _redeliver([delivery.id])


def redeliver_by_staff(delivery_ids: Sequence[UUID], *, actor: str) -> int:
    """As `redeliver`, with a line in the audit. Returns how many: those on their way at this instant are left alone."""
    with transaction.atomic():
        again = _redeliver(delivery_ids)
        if again:
            note(actor, "redeliver", "webhook delivery", again)
    return len(again)


def switch_by_staff(webhook_ids: Sequence[UUID], *, on: bool, actor: str) -> int:
    """Returns how many were not so already. Their owners are told by mail of what was switched off."""
    with transaction.atomic():
        if on:
            switched = [webhook for webhook in _lock_all(webhook_ids) if webhook.disabled_at]
            for webhook in switched:
                _switch(webhook, on=True)
                webhook.save()
            done = [webhook.id for webhook in switched]
        else:
            done = switch_off(webhook_ids, DisabledReason.STAFF)
        if done:
            note(actor, "enable" if on else "disable", "webhook", done)
    if done and on:
        fan_out.hurry()
    return len(done)


def switch_off(webhook_ids: Iterable[UUID], reason: DisabledReason) -> list[UUID]:
    """Nothing more is sent to them, what waits stays, and their owners are told. Must run in a transaction."""
    rows = sql.run(sql.SWITCH_OFF, [reason, list(webhook_ids)])
    emit(WebhookDisabled(webhook_id=id_, owner_id=owner_id, reason=reason) for id_, owner_id in rows)
    return [id_ for id_, _ in rows]


def switch_off_unentitled() -> int:
    """Whoever was deactivated hears nothing more; whoever lost the right to hear everything neither."""
    on = Webhook.objects.filter(disabled_at=None)
    gone = set(on.filter(owner__is_active=False).values_list("id", flat=True))
    for webhook in on.filter(everything=True).select_related("owner"):
        if not webhook.owner.has_perm("notifications.hear_all_orders"):
            gone.add(webhook.id)
    if not gone:
        return 0
    with transaction.atomic():
        return len(switch_off(sorted(gone), DisabledReason.NOT_ENTITLED))


def _redeliver(delivery_ids: Sequence[UUID]) -> list[UUID]:
    again = [id_ for (id_,) in sql.run(sql.REDELIVER, [list(delivery_ids)])]
    if again:
        transaction.on_commit(fan_out.hurry)
    return again


def _switch(webhook: Webhook, *, on: bool) -> None:
    webhook.disabled_at = None if on else datetime.now(UTC)
    webhook.disabled_reason = "" if on else DisabledReason.OWNER
    if on:
        webhook.failing_since = webhook.last_failure_at = None


def _check_on(webhook: Webhook) -> None:
    if webhook.disabled_at:
        raise Refused("webhook-disabled", "The webhook is switched off: switch it on first.")


def _locked(webhook_id: UUID) -> Webhook:
    found = _lock_all([webhook_id])
    if not found:
        raise NoSuchWebhook
    return found[0]


def _lock_all(webhook_ids: Sequence[UUID]) -> list[Webhook]:
    rows = Webhook.objects.filter(id__in=webhook_ids, deleted_at=None).order_by("id")
    return list(rows.select_for_update(no_key=True))


def _users() -> Any:
    return get_user_model()._default_manager


def _let_all_notice(webhook: Webhook) -> None:
    """So that whoever has its answer misses nothing that happens after it: see decision 27.

    Nothing to wait for where another webhook has asked for the same for long enough.
    """
    long_ago = datetime.now(UTC) - timedelta(seconds=2 * fan_out.KNOWN_FOR)
    alike = Webhook.objects.filter(disabled_at=None, updated_at__lt=long_ago, event_types__contains=webhook.event_types)
    if not alike.filter(everything__in={True, webhook.everything}).exists():
        fan_out.forget()
        time.sleep(fan_out.KNOWN_FOR)
