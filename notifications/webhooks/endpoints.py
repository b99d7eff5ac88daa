"""Operations on webhooks: create, change, test, redeliver, switch on and off, delete."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import transaction

from desk import audit
from events import Refused
from events.db.query import execute
from events.log.append import emit
from notifications import sql
from notifications.events import WebhookDisabled, WebhookTested
from notifications.models import DisabledReason, Webhook, WebhookDelivery
from notifications.webhooks import fan_out
from notifications.webhooks.secrets import Keyring

MAX_WEBHOOKS = 20
"""The maximum number of webhooks per owner."""


class NoSuchWebhook(LookupError):
    """The webhook or its owner does not exist, or was deleted meanwhile."""


def create(
    owner_id: UUID,
    *,
    url: str,
    event_types: Sequence[str],
    description: str,
    everything: bool,
    ordered: bool = False,
) -> tuple[Webhook, str]:
    """Creates a webhook; returns it and its secret, which is never shown again. Not idempotent.

    It receives every event that is recorded after the return. Raises Refused if the owner has too many webhooks, and
    NoSuchWebhook if the owner does not exist or is inactive.
    """
    keyring = Keyring.new()
    with transaction.atomic():
        if not _users().select_for_update(no_key=True).filter(pk=owner_id, is_active=True).exists():
            raise NoSuchWebhook
        if Webhook.objects.filter(owner_id=owner_id, deleted_at=None).count() >= MAX_WEBHOOKS:
            raise Refused("too-many-webhooks", f"You have the maximum of {MAX_WEBHOOKS} webhooks. Delete one first.")
        webhook = Webhook.objects.create(
            owner_id=owner_id,
            url=url,
            event_types=list(event_types),
            description=description,
            sealed=keyring.seal(),
            everything=everything,
            ordered=ordered,
        )
    _wait_until_visible(webhook)
    return webhook, keyring.current


def change(webhook_id: UUID, *, everything: bool, enabled: bool | None = None, **fields: Any) -> Webhook:
    """Changes a webhook. `everything`: its owner can receive all orders. Enabling it sends pending deliveries."""
    with transaction.atomic():
        webhook = _locked(webhook_id)
        was_on = webhook.disabled_at is None
        if fields.get("ordered", webhook.ordered) != webhook.ordered:
            execute(sql.REORDER, {"webhook": webhook.id, "ordered": fields["ordered"]})
        for name, value in fields.items():
            setattr(webhook, name, value)
        webhook.everything = everything
        if enabled is not None and enabled != was_on:
            _switch(webhook, on=enabled)
        webhook.save()
    if webhook.disabled_at is None and (enabled or "event_types" in fields):
        _wait_until_visible(webhook)
    if webhook.disabled_at is None and (enabled or "url" in fields):
        fan_out.notify_sender()
    return webhook


def delete(webhook_id: UUID) -> None:
    """Disables the webhook and removes its secrets. A periodic task deletes it later. Raises NoSuchWebhook."""
    with transaction.atomic():
        webhook = _locked(webhook_id)
        webhook.deleted_at = datetime.now(UTC)
        webhook.disabled_at = webhook.disabled_at or webhook.deleted_at
        webhook.sealed = ""
        webhook.save()


def rotate_secret(webhook_id: UUID) -> tuple[Webhook, str]:
    """Creates a new secret and returns it. Raises NoSuchWebhook.

    The old one also signs for 24 hours, unless the SECRET_KEY that encrypted it is gone.
    """
    with transaction.atomic():
        webhook = _locked(webhook_id)
        keyring = Keyring.replacing(webhook.sealed, datetime.now(UTC))
        webhook.sealed = keyring.seal()
        webhook.save(update_fields=["sealed", "updated_at"])
    return webhook, keyring.current


def test(webhook_id: UUID) -> WebhookDelivery:
    """Sends a test event to the webhook, whatever types it subscribes to. Raises Refused if it is switched off."""
    with transaction.atomic():
        webhook = _locked(webhook_id)
        _check_on(webhook)
        (recorded,) = emit([WebhookTested(webhook_id=webhook.id)])
        fan_out.add([(webhook.id, recorded.position)])
    return webhook.deliveries.get(event_id=recorded.position)


def redeliver(delivery: WebhookDelivery) -> None:
    """Sends a delivery again, with the same `webhook-id` and all attempts. Raises Refused if the webhook is off."""
    _check_on(delivery.webhook)
    _redeliver([delivery.id])


def redeliver_by_staff(delivery_ids: Sequence[UUID], *, actor: str) -> int:
    """Sends deliveries again, with an audit record. Skips those that are being sent now; returns how many remain."""
    with transaction.atomic():
        again = _redeliver(delivery_ids)
        if again:
            audit.record(actor, "redeliver", "webhook delivery", again)
    return len(again)


def skip(delivery: WebhookDelivery, *, actor: str, reason: str) -> None:
    """Gives up a delivery that holds its stream, so that later ones are sent; with an audit record.

    Raises Refused if it holds nothing: its webhook is not ordered, it has not failed, or it is being sent now.
    """
    if not skip_all([delivery.id], actor=actor, reason=reason):
        raise Refused("holds-nothing", "The delivery holds no stream: only a failed one of an ordered webhook does.")


def skip_all(delivery_ids: Sequence[UUID], *, actor: str, reason: str) -> int:
    """Gives up those of the deliveries that hold their streams, with an audit record; returns how many."""
    with transaction.atomic():
        gone = [id_ for (id_,) in execute(sql.SKIP, [list(delivery_ids)])]
        if gone:
            audit.record(actor, "skip", "webhook delivery", gone, reason=reason)
            transaction.on_commit(fan_out.notify_sender)
    return len(gone)


def switch_by_staff(webhook_ids: Sequence[UUID], *, on: bool, actor: str) -> int:
    """Switches webhooks on or off, with an audit record; returns how many changed. Switching off mails the owners."""
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
            audit.record(actor, "enable" if on else "disable", "webhook", done)
    if done and on:
        fan_out.notify_sender()
    return len(done)


def switch_off(webhook_ids: Iterable[UUID], reason: DisabledReason) -> list[UUID]:
    """Switches webhooks off, keeps their pending deliveries and mails the owners. Must run in a transaction."""
    rows = execute(sql.SWITCH_OFF, [reason, list(webhook_ids)])
    emit(WebhookDisabled(webhook_id=id_, owner_id=owner_id, reason=reason) for id_, owner_id in rows)
    return [id_ for id_, _ in rows]


def switch_off_unentitled() -> int:
    """Switches off webhooks whose owners are inactive or no longer have the permission to receive all orders.

    Returns how many. Idempotent.
    """
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
    again = [id_ for (id_,) in execute(sql.REDELIVER, [list(delivery_ids)])]
    if again:
        transaction.on_commit(fan_out.notify_sender)
    return again


def _switch(webhook: Webhook, *, on: bool) -> None:
    webhook.disabled_at = None if on else datetime.now(UTC)
    webhook.disabled_reason = "" if on else DisabledReason.OWNER
    if on:
        webhook.failing_since = webhook.last_failure_at = None


def _check_on(webhook: Webhook) -> None:
    if webhook.disabled_at:
        raise Refused("webhook-disabled", "The webhook is switched off. Switch it on first.")


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


def _wait_until_visible(webhook: Webhook) -> None:
    """Waits until every process knows the webhook, so that it misses no event after the response (decision 27).

    Returns immediately if another webhook has subscribed to the same types for long enough.
    """
    long_ago = datetime.now(UTC) - timedelta(seconds=2 * fan_out.KNOWN_FOR)
    alike = Webhook.objects.filter(disabled_at=None, updated_at__lt=long_ago, event_types__contains=webhook.event_types)
    if not alike.filter(everything__in={True, webhook.everything}).exists():
        fan_out.clear_cache()
        time.sleep(fan_out.KNOWN_FOR)
