"""Operators' actions on dead letters: retry, discard and edit. Each action is recorded in the audit log."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Any

import msgspec
from django.db import transaction

from desk import audit
from events.db.query import execute
from events.dead_letters import sql
from events.dead_letters.diff import difference, unknown_fields
from events.declare.codec import decode
from events.delivery import wake
from events.errors import Refused, UnknownEvent
from events.models import Delivery, DeliveryState

BATCH = 500
KIND = "delivery"
Progress = Callable[[int], None]
"""Called after each batch with the number of deliveries done so far."""


@dataclass(frozen=True)
class Group:
    """The dead letters of one subscriber whose last attempt ended with one type of error."""

    subscriber: str
    error_type: str

    def __str__(self) -> str:
        return f"{self.subscriber}/{self.error_type}"


@dataclass(frozen=True)
class Grouped:
    """A group with its size; `oldest` and `newest` are the times of its first and last dead letter."""

    group: Group
    count: int
    oldest: datetime
    newest: datetime


@dataclass(frozen=True)
class Outcome:
    """`done`: dead letters changed, or that a dry run would change. `left`: dead letters beyond `limit`."""

    done: int
    left: int = 0


Choice = Collection[int] | Group


def groups() -> list[Grouped]:
    """All groups, largest first."""
    return [Grouped(Group(subscriber, error), *rest) for subscriber, error, *rest in execute(sql.DEAD_GROUPS, [])]


def size_of(group: Group) -> int:
    return sum(one.count for one in groups() if one.group == group)


def retry(
    choice: Choice,
    *,
    actor: str,
    reason: str = "",
    dry_run: bool = False,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Makes dead letters due again with a fresh attempt budget; the records of failed attempts stay.

    Ignores deliveries that are not dead, so a repeated call is safe. Works in batches of 500, each its own
    transaction with its own audit entry; stops after `limit` deliveries and returns how many are left.
    """
    return _work(choice, partial(_retry_batch, actor, reason), dry_run, limit, progress)


def discard(
    choice: Choice,
    *,
    actor: str,
    reason: str,
    dry_run: bool = False,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Gives up dead letters for good; they stay on record, and later events of their streams stop waiting for them.

    Works in batches as `retry` does. Raises Refused without a reason.
    """
    if not (dry_run or reason.strip()):
        raise Refused("reason-missing", "Give a reason: discarded deliveries are never delivered.")
    return _work(choice, partial(_discard_batch, actor, reason), dry_run, limit, progress)


def edit(
    delivery: Delivery, data: Any, *, actor: str, reason: str = "", dry_run: bool = False, shown: str | None = None
) -> str:
    """Makes the delivery due again with `data` in place of the event's own. The log stays unchanged.

    Returns the change as a unified diff. Raises Refused if the delivery is not dead, if the data do not match the
    event's schema, or if they are about another aggregate. Passing the event's own data reverts an earlier edit.
    With `shown`, the `fingerprint` of the difference that the person saw, it also refuses any other change.
    """
    _check_fit(delivery, data)
    if dry_run:
        _check_dead(delivery)
        return difference(data_to_deliver(delivery), data)
    with transaction.atomic():
        locked = Delivery.objects.select_for_update(of=("self",)).select_related("event").get(id=delivery.id)
        _check_dead(locked)
        before = data_to_deliver(locked)
        if shown is not None and shown != fingerprint(locked, data):
            raise Refused(
                "not-as-shown", "This is not the change whose difference was shown. Check the new difference first."
            )
        # As text, because Python takes 1, 1.0 and True for equal.
        locked.edited_data = None if _canonical(data) == _canonical(locked.event.data) else data
        locked.save(update_fields=["edited_data"])
        execute(sql.RETRY, [[locked.id]])
        audit.record(actor, "edit", KIND, [locked.id], reason=reason, details={"before": before, "after": data})
        transaction.on_commit(wake.notify_relay)
    return difference(before, data)


def data_to_deliver(delivery: Delivery) -> Any:
    """The data that the subscriber receives: the edited data if there are any, else the event's."""
    return delivery.event.data if delivery.edited_data is None else delivery.edited_data


def fingerprint(delivery: Delivery, data: Any) -> str:
    """Identifies an edit by the data that were delivered before it and by those that will be."""
    return sha256(_canonical([data_to_deliver(delivery), data]).encode()).hexdigest()


def _canonical(data: Any) -> str:
    return json.dumps(data, sort_keys=True)


def _check_dead(delivery: Delivery) -> None:
    if delivery.state != DeliveryState.DEAD:
        raise Refused("not-dead", f"The delivery is {delivery.state}: only a dead delivery can be edited.")


def _check_fit(delivery: Delivery, data: Any) -> None:
    stored = delivery.event
    text = msgspec.json.encode(data)
    if b"\\u0000" in text:
        raise Refused("invalid-data", "The data contain a NUL character, which is not allowed: remove it.")
    try:
        event = decode(stored.type, stored.version, text)
    except (msgspec.ValidationError, UnknownEvent) as error:
        raise Refused("invalid-data", f"The data do not fit {stored.type} {stored.version}: {error}") from error
    if unknown := unknown_fields(event, data):
        raise Refused("invalid-data", f"{stored.type} {stored.version} has no field {', '.join(unknown)}.")
    if event.stream != stored.stream:
        raise Refused(
            "other-stream", f"The event is about {stored.stream}, but the data are about {event.stream}: keep the id."
        )


def _retry_batch(actor: str, reason: str, ids: Sequence[int]) -> list[int]:
    retried = [id_ for (id_,) in execute(sql.RETRY, [list(ids)])]
    if retried:
        audit.record(actor, "retry", KIND, retried, reason=reason)
        transaction.on_commit(wake.notify_relay)
    return retried


def _discard_batch(actor: str, reason: str, ids: Sequence[int]) -> list[int]:
    discarded = [id_ for (id_,) in execute(sql.DISCARD, [list(ids)])]
    if discarded:
        audit.record(actor, "discard", KIND, discarded, reason=reason)
        transaction.on_commit(wake.notify_relay)  # later events of their streams may now be delivered
    return discarded


def _work(
    choice: Choice,
    work: Callable[[Sequence[int]], list[int]],
    dry_run: bool,
    limit: int | None,
    progress: Progress | None,
) -> Outcome:
    if dry_run:
        return Outcome(_count(choice))
    done = 0
    for batch in _batches(choice, limit):
        with transaction.atomic():
            done += len(work(batch))
        if progress:
            progress(done)
    return Outcome(done, 0 if limit is None else _count(choice))


def _count(choice: Choice) -> int:
    if isinstance(choice, Group):
        return size_of(choice)
    return Delivery.objects.filter(id__in=list(choice), state=DeliveryState.DEAD).count()


def _batches(choice: Choice, limit: int | None) -> Iterator[Sequence[int]]:
    after, room = 0, math.inf if limit is None else limit
    while ids := _next(choice, after, int(min(BATCH, room))):
        yield ids
        after = ids[-1]
        room -= len(ids)


def _next(choice: Choice, after: int, size: int) -> list[int]:
    if not isinstance(choice, Group):
        return sorted(id_ for id_ in set(choice) if id_ > after)[:size]
    parameters = {"subscriber": choice.subscriber, "error_type": choice.error_type, "after": after, "limit": size}
    return [id_ for (id_,) in execute(sql.DEAD_OF_GROUP, parameters)]
