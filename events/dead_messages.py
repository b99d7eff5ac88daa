"""Messages that no task can be made of: kept with all that came, until a person has them sent again."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from celery import current_app
from django.db import close_old_connections, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from events.audit import note
from events.errors import Refused
from events.models import DeadMessage, DeadReason
from events.queues import Queue

PROPERTIES = ("correlation_id", "reply_to", "priority")
KIND = "dead message"


@dataclass(frozen=True)
class Corpse:
    """A message as it came. `properties` are what a publisher gives beside headers and body."""

    queue: str
    reason: DeadReason
    body: bytes
    task: str = ""
    error: str = ""
    headers: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)


def from_message(message: Any, reason: DeadReason, error: object = "") -> Corpse:
    """What a consumer was handed, however little of it makes sense."""
    headers = dict(message.headers)
    if not message.errors:
        headers.pop("compression", None)  # kombu has unpacked the body already
    given = message.properties
    properties = {name: given[name] for name in PROPERTIES if given.get(name) is not None}
    properties |= {"content_type": message.content_type, "content_encoding": message.content_encoding}
    body = message.body
    return Corpse(
        queue=str(message.delivery_info.get("routing_key", "")),
        reason=reason,
        body=body if isinstance(body, bytes) else str(body or "").encode(errors="surrogatepass"),
        task=str(headers.get("task", "")),
        error=f"{type(error).__name__}: {error}" if isinstance(error, Exception) else str(error),
        headers=headers,
        properties=properties,
    )


def keep(corpse: Corpse) -> None:
    """Committed when this returns. Raises django.db.Error while PostgreSQL is away."""
    close_old_connections()  # one that broke meanwhile must not be taken for PostgreSQL being away
    try:
        DeadMessage.objects.create(
            queue=_storable(corpse.queue)[:200],
            task=_storable(corpse.task)[:200],
            reason=corpse.reason,
            error=_storable(corpse.error),
            headers=json.dumps(corpse.headers, default=str),
            properties=json.dumps(corpse.properties, default=str),
            body=corpse.body,
            received_at=Now(),
        )
    finally:
        close_old_connections()


def waiting() -> QuerySet[DeadMessage]:
    """Those about which nobody has done anything yet."""
    return DeadMessage.objects.filter(retried_at=None, discarded_at=None)


def retry(ids: Collection[int], *, actor: str) -> int:
    """Sends these again as they came, each at most once; what still makes no sense comes back as a new row.

    Returns how many were sent: those of a queue that is no more stay. Raises what the broker's client raises.
    """
    return sum(_retry_one(id_, actor) for id_ in sorted(ids))


def _retry_one(id_: int, actor: str) -> bool:
    with transaction.atomic():
        row = waiting().select_for_update(skip_locked=True).filter(id=id_, queue__in=list(Queue)).first()
        if row is None:
            return False
        _publish(row)
        row.retried_at = Now()
        row.save(update_fields=["retried_at"])
        note(actor, "retry", KIND, [id_])
        return True


def discard(ids: Collection[int], *, actor: str, reason: str) -> int:
    """These are never sent again, and are forgotten after their time. Returns how many were waiting until now.

    Raises Refused without a reason.
    """
    if not reason.strip():
        raise Refused("reason-missing", "Say why: what is discarded is never sent again.")
    with transaction.atomic():
        chosen = waiting().filter(id__in=list(ids)).order_by("id").select_for_update()
        discarded = list(chosen.values_list("id", flat=True))
        if discarded:
            DeadMessage.objects.filter(id__in=discarded).update(discarded_at=Now())
            note(actor, "discard", KIND, discarded, reason=reason)
    return len(discarded)


def _publish(row: DeadMessage) -> None:
    properties = {"content_type": "application/data", **_without_none(json.loads(row.properties))}
    producers: Any = current_app.producer_pool
    with producers.acquire(block=True) as producer:
        # Through the nameless exchange, which reaches a queue by its name.
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
    """PostgreSQL's text holds neither NUL nor half of a surrogate pair."""
    return text.encode(errors="replace").decode().replace("\0", "")
