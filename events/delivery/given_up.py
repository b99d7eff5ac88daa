"""Telling subscribers of their deliveries that have just become dead, in the transaction that makes them so."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import structlog
from django.db import transaction

from events.db.bisect import database_lost
from events.declare.codec import decode, encode_json
from events.declare.subscribers import GivenUp, Subscriber
from events.errors import Conflict
from events.log.context import Context, caused_by
from events.models import Delivery, DeliveryState

log = structlog.get_logger(__name__)
CONFLICTS = 3
"""How often a subscriber is told again because another transaction appended to the same stream first."""


def telling(subscriber: Subscriber) -> AbstractContextManager[object]:
    """The transaction in which deliveries become dead; none for a subscriber that need not be told."""
    return transaction.atomic() if subscriber.given_up else nullcontext()


def tell(subscriber: Subscriber, ids: Sequence[int]) -> None:
    """Calls `given_up` for those of these deliveries that are dead, one by one: none can harm another."""
    if subscriber.given_up is None or not ids:
        return
    for delivery in Delivery.objects.filter(id__in=ids, state=DeliveryState.DEAD).select_related("event"):
        try:
            _tell(subscriber, delivery)
        except Exception as error:
            if database_lost(error):
                raise
            log.exception("subscriber not told of its dead delivery", subscriber=subscriber.name, delivery=delivery.id)


def _tell(subscriber: Subscriber, delivery: Delivery) -> None:
    assert subscriber.given_up is not None  # noqa: S101  for the type checker
    event = delivery.event
    data = event.data if delivery.edited_data is None else delivery.edited_data
    last = delivery.failures.order_by("id").last()
    lost = GivenUp(
        decode(event.type, event.version, encode_json(data)), delivery.attempts, last.error_type if last else ""
    )
    context = Context(event.correlation_id, str(event.event_id), event.actor, event.traceparent)
    for left in reversed(range(CONFLICTS + 1)):
        try:
            with transaction.atomic(), caused_by(context):
                subscriber.given_up(lost)
            break
        except Conflict:
            if not left:
                raise
