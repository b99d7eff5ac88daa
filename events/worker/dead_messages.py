"""Messages that no worker can turn into a task. Operators can send them again or discard them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from celery import current_app
from django.db import close_old_connections, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from desk import audit
from events.declare.queues import declared_queues
from events.errors import Refused
from events.models import DeadMessage, DeadReason

PROPERTIES = ("correlation_id", "reply_to", "priority")
KIND = "dead message"


@dataclass(frozen=True)
class RawMessage:
    """A message as it arrived. `properties`: the publisher's properties besides headers and body."""

    queue: str
    reason: DeadReason
    body: bytes
    task: str = ""
    error: str = ""
    headers: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)


def from_message(message: Any, reason: DeadReason, error: object = "") -> RawMessage:
    """The raw form of a consumed message; works for malformed messages, too."""
    headers = dict(message.headers)
    if not message.errors:
        headers.pop("compression", None)  # kombu has already decompressed the body
    given = message.properties
    properties = {name: given[name] for name in PROPERTIES if given.get(name) is not None}
    properties |= {"content_type": message.content_type, "content_encoding": message.content_encoding}
    body = message.body
    return RawMessage(
        queue=str(message.delivery_info.get("routing_key", "")),
        reason=reason,
        body=body if isinstance(body, bytes) else str(body or "").encode(errors="surrogatepass"),
        task=str(headers.get("task", "")),
        error=f"{type(error).__name__}: {error}" if isinstance(error, Exception) else str(error),
        headers=headers,
        properties=properties,
    )


def keep(raw: RawMessage) -> None:
    """Stores the message; the row is committed when this returns. Raises django.db.Error if PostgreSQL is down."""
    close_old_connections()  # a broken connection must not look like a PostgreSQL outage
    try:
        DeadMessage.objects.create(
            queue=_storable(raw.queue)[:200],
            task=_storable(raw.task)[:200],
            reason=raw.reason,
            error=_storable(raw.error),
            headers=json.dumps(raw.headers, default=str),
            properties=json.dumps(raw.properties, default=str),
            body=raw.body,
            received_at=Now(),
        )
    finally:
        close_old_connections()


def waiting() -> QuerySet[DeadMessage]:
    """Dead messages that were neither sent again nor discarded."""
    return DeadMessage.objects.filter(retried_at=None, discarded_at=None)


def retry(ids: Collection[int], *, actor: str) -> int:
    """Sends these messages again unchanged, each at most once. One that still fails comes back as a new row.

    Returns how many were sent; messages of a queue that is no longer declared are skipped. Raises one of the errors
    in `events.delivery.broker.AWAY` if the broker is unreachable.
    """
    return sum(_retry_one(id_, actor) for id_ in sorted(ids))


def _retry_one(id_: int, actor: str) -> bool:
    with transaction.atomic():
        row = waiting().select_for_update(skip_locked=True).filter(id=id_, queue__in=declared_queues()).first()
        if row is None:
            return False
        _publish(row)
        row.retried_at = Now()
        row.save(update_fields=["retried_at"])
        audit.record(actor, "retry", KIND, [id_])
        return True


def discard(ids: Collection[int], *, actor: str, reason: str) -> int:
    """Marks waiting messages as discarded; returns how many. They are deleted after the retention time.

    Raises Refused without a reason.
    """
    if not reason.strip():
        raise Refused("reason-missing", "Give a reason: discarded messages are never sent again.")
    with transaction.atomic():
        chosen = waiting().filter(id__in=list(ids)).order_by("id").select_for_update()
        discarded = list(chosen.values_list("id", flat=True))
        if discarded:
            DeadMessage.objects.filter(id__in=discarded).update(discarded_at=Now())
            audit.record(actor, "discard", KIND, discarded, reason=reason)
    return len(discarded)


def _publish(row: DeadMessage) -> None:
    properties = {"content_type": "application/data", **_without_none(json.loads(row.properties))}
    producers: Any = current_app.producer_pool
    with producers.acquire(block=True) as producer:
        # The default exchange routes a message to the queue that the routing key names.
        producer.publish(
            bytes(row.body),
            exchange="",
            routing_key=row.queue,
            headers={name: value for name, value in json.loads(row.headers).items() if not name.startswith("x-")},
            declare=[current_app.amqp.queues[row.queue]],
            retry=False,
            **properties,
        )


def _without_none(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if value is not None}


def _storable(text: str) -> str:
    """Replaces what PostgreSQL's text type cannot hold: NUL and lone surrogates."""
    return text.encode(errors="replace").decode().replace("\0", "")
