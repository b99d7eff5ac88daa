"""Takes a batch of messages: identities, events, deliveries and counts are one transaction.

If the process stops anywhere, the broker delivers the batch again, and what was committed is found by its identity.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from typing import ParamSpec, TypeVar

import psycopg.errors
import structlog
from django.db import DatabaseError, DataError, IntegrityError, OperationalError, transaction
from django.db.models.functions import Now

from events import Conflict
from events.db.bisect import Bisection
from events.db.query import execute
from events.db.reconnect import retry_on_disconnect
from events.delivery.failures import storable, summary_of
from events.log.append import emit
from events.log.context import Context
from publishing.inbox import sql
from publishing.inbox.arrived import Arrived
from publishing.inbox.reading import Good, Outcome, Skipped, Unread, read
from publishing.models import UnreadableMessage, UnreadableReason

log = structlog.get_logger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

ATTEMPTS = 5
"""Of a transaction that met another one on the same streams."""


@dataclass
class Counted:
    """What became of the messages of one source on one broker."""

    received: int = 0
    repeated: int = 0
    skipped: int = 0
    unreadable: int = 0
    last_skipped: str = ""

    def add(self, outcome: Outcome, *, is_new: bool) -> None:
        if isinstance(outcome, Skipped):
            self.skipped += 1
            self.last_skipped = storable(outcome.type)[:200] or self.last_skipped
        elif not is_new:
            self.repeated += 1
        elif isinstance(outcome, Good):
            self.received += 1
        else:
            self.unreadable += 1


@retry_on_disconnect
def take(arrived: Sequence[Arrived]) -> None:
    """Stores these messages in their order; those that cannot be events are kept as unreadable.

    Idempotent and safe to call concurrently. Must run outside a transaction. Raises DatabaseError for anything that is
    no message's fault: then call it again later, and confirm nothing to the broker.
    """
    portions = Bisection([read(one) for one in arrived])
    for portion in portions:
        try:
            store(portion)
        except Exception as error:
            if isinstance(error, DatabaseError) and not isinstance(error, DataError | IntegrityError):
                raise
            for culprit in portions.failed(portion, error):
                store([Unread(culprit.arrived, UnreadableReason.FAILED, summary_of(error))])


def _again_if_met(work: Callable[P, T]) -> Callable[P, T]:
    """Repeats the transaction after a Conflict or a deadlock with another one, which has ended meanwhile."""

    @wraps(work)
    def repeated(*args: P.args, **kwargs: P.kwargs) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return work(*args, **kwargs)
            except (Conflict, OperationalError) as error:
                met = isinstance(error, Conflict) or isinstance(error.__cause__, psycopg.errors.TransactionRollback)
                if not met or attempt == ATTEMPTS:
                    raise
                time.sleep(random.uniform(0, 0.05 * attempt))  # noqa: S311  # nosec B311
        raise AssertionError("it returns or raises")

    return repeated


@_again_if_met
def store(outcomes: Sequence[Outcome]) -> None:
    """In one transaction, with a constant number of statements. Raises Conflict."""
    with transaction.atomic():
        received = receive([one for one in outcomes if isinstance(one, Good)])
        kept = _keep([one for one in outcomes if isinstance(one, Unread)])
        new = {id(one) for one in (*received, *kept)}
        counts: defaultdict[tuple[str, str], Counted] = defaultdict(Counted)
        for one in outcomes:
            counts[one.arrived.source, one.arrived.broker].add(one, is_new=id(one) in new)
        _count(counts)


def receive(good: Sequence[Good]) -> list[Good]:
    """Appends the events that were not received before, in their order; returns them. Raises Conflict."""
    first: dict[tuple[str, str, str], Good] = {}
    for one in good:
        first.setdefault(one.identity, one)
    if not first:
        return []
    columns = [list(column) for column in zip(*first, strict=True)]
    names = ("sources", "foreign_sources", "foreign_ids")
    rows = execute(sql.RECEIVE, dict(zip(names, columns, strict=True)))
    ids = {(source, foreign_source, foreign_id): id_ for id_, source, foreign_source, foreign_id in rows}
    new = [one for identity, one in first.items() if identity in ids]
    recorded = emit([one.event for one in new], [_context(one) for one in new])
    execute(
        sql.PLACE,
        {"ids": [ids[one.identity] for one in new], "positions": [one.position for one in recorded]},
    )
    return new


def _context(one: Good) -> Context:
    """What the event causes has the foreign id as its correlation id, by which people find all of it."""
    return Context(
        correlation_id=one.foreign_id[:255], actor=f"inbox:{one.arrived.source}", traceparent=one.traceparent
    )


def _keep(unread: Sequence[Unread]) -> list[Unread]:
    """Stores messages whole; returns those that did not wait there already."""
    by_digest = {one.arrived.digest: one for one in unread}
    known = _waiting(by_digest)
    new = {digest: one for digest, one in by_digest.items() if digest not in known}
    UnreadableMessage.objects.bulk_create(
        [
            UnreadableMessage(
                source=one.arrived.source,
                broker=one.arrived.broker,
                place=one.arrived.place,
                partition=one.arrived.partition,
                offset=one.arrived.offset,
                reason=one.reason,
                error=storable(one.error),
                headers=one.arrived.headers_text,
                body=one.arrived.message.body,
                digest=digest,
                received_at=Now(),
            )
            for digest, one in new.items()
        ],
        ignore_conflicts=True,
    )
    for one in new.values():
        log.warning("message kept as unreadable", place=one.arrived.place, reason=one.reason)
    return list(new.values())


def _waiting(digests: Iterable[bytes]) -> set[bytes]:
    waiting = UnreadableMessage.objects.filter(digest__in=list(digests), retried_at=None, discarded_at=None)
    return {bytes(digest) for digest in waiting.values_list("digest", flat=True)}


def _count(counts: dict[tuple[str, str], Counted]) -> None:
    values = {field.name: [getattr(one, field.name) for one in counts.values()] for field in fields(Counted)}
    sources = [source for source, _ in counts]
    execute(sql.COUNT, {"sources": sources, "brokers": [broker for _, broker in counts], **values})


def note(broker: str, sources: Iterable[str], error: str) -> None:
    """Writes down why nothing is received from a broker, or with an empty text that it is again."""
    execute(sql.NOTE, {"broker": broker, "sources": list(sources), "error": storable(error)})
