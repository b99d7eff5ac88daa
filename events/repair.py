"""What a person does about dead letters: retry, discard, edit. All of it is written into the audit."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
from django.db import transaction

from events import sql, wake
from events.audit import note
from events.codec import decode
from events.edited import difference, unknown_fields
from events.errors import Refused, UnknownEvent
from events.models import Delivery, DeliveryState

BATCH = 500
KIND = "delivery"
Progress = Callable[[int], None]
"""Told after each batch how many are done."""


@dataclass(frozen=True)
class Group:
    """The dead letters of one subscriber whose last attempt ended with one type of error."""

    subscriber: str
    error_type: str

    def __str__(self) -> str:
        return f"{self.subscriber}/{self.error_type}"


@dataclass(frozen=True)
class Grouped:
    """A group with its size; `oldest` and `newest` say when they died."""

    group: Group
    count: int
    oldest: datetime
    newest: datetime


@dataclass(frozen=True)
class Outcome:
    """`done` of the chosen were dead and are dealt with, or would be; `left` of them are still to do."""

    done: int
    left: int = 0


Choice = Collection[int] | Group


def groups() -> list[Grouped]:
    """The largest first."""
    return [Grouped(Group(subscriber, error), *rest) for subscriber, error, *rest in sql.run(sql.DEAD_GROUPS, [])]


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
    """Dead deliveries are due again, with all their attempts before them; the record of what failed stays.

    Those that are not dead are left alone. In batches of 500, each a transaction with its line in the audit; at most
    `limit` deliveries, and the outcome says how many are left.
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
    """Dead deliveries are never delivered, and stay on record. Later events of their stream no longer wait for them.

    Like `retry` otherwise. Raises Refused without a reason.
    """
    if not (dry_run or reason.strip()):
        raise Refused("reason-missing", "Say why: what is discarded is never delivered.")
    return _work(choice, partial(_discard_batch, actor, reason), dry_run, limit, progress)


def edit(delivery: Delivery, data: Any, *, actor: str, reason: str = "", dry_run: bool = False) -> str:
    """The delivery is due again, and its subscriber gets `data` in place of the event's. The log stays as it is.

    Returns what changes, as a unified diff. Raises Refused for a delivery that is not dead, for data that do not fit
    the event, and for data about another aggregate. The event's own data take the edit back.
    """
    _check_fit(delivery, data)
    if dry_run:
        _check_dead(delivery)
        return difference(handed_over(delivery), data)
    with transaction.atomic():
        locked = Delivery.objects.select_for_update(of=("self",)).select_related("event").get(id=delivery.id)
        _check_dead(locked)
        before = handed_over(locked)
        locked.edited_data = None if data == locked.event.data else data
        locked.save(update_fields=["edited_data"])
        sql.run(sql.RETRY, [[locked.id]])
        note(actor, "edit", KIND, [locked.id], reason=reason, details={"before": before, "after": data})
        transaction.on_commit(wake.relay)
    return difference(before, data)


def handed_over(delivery: Delivery) -> Any:
    """The data that the subscriber gets: the event's own, or the edited ones."""
    return delivery.event.data if delivery.edited_data is None else delivery.edited_data


def _check_dead(delivery: Delivery) -> None:
    if delivery.state != DeliveryState.DEAD:
        raise Refused("not-dead", f"The delivery is {delivery.state}: only a dead one can be edited.")


def _check_fit(delivery: Delivery, data: Any) -> None:
    stored = delivery.event
    text = msgspec.json.encode(data)
    if b"\\u0000" in text:
        raise Refused("invalid-data", "A NUL character is not allowed.")
    try:
        event = decode(stored.type, stored.version, text)
    except (msgspec.ValidationError, UnknownEvent) as error:
        raise Refused("invalid-data", f"The data do not fit {stored.type} {stored.version}: {error}") from error
    if unknown := unknown_fields(event, data):
        raise Refused("invalid-data", f"{stored.type} {stored.version} has no field {', '.join(unknown)}.")
    if event.stream != stored.stream:
        raise Refused("other-stream", f"The event is about {stored.stream}; the data are about {event.stream}.")


def _retry_batch(actor: str, reason: str, ids: Sequence[int]) -> list[int]:
    retried = [id_ for (id_,) in sql.run(sql.RETRY, [list(ids)])]
    if retried:
        note(actor, "retry", KIND, retried, reason=reason)
        transaction.on_commit(wake.relay)
    return retried


def _discard_batch(actor: str, reason: str, ids: Sequence[int]) -> list[int]:
    discarded = [id_ for (id_,) in sql.run(sql.DISCARD, [list(ids)])]
    if discarded:
        note(actor, "discard", KIND, discarded, reason=reason)
        transaction.on_commit(wake.relay)  # what stood in line behind them may go
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
    return [id_ for (id_,) in sql.run(sql.DEAD_OF_GROUP, parameters)]
