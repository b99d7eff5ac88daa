"""One turn of a cursor: reads the next events, publishes them, and moves the cursor behind what was confirmed.

If the process stops anywhere, the turn is repeated from the cursor's position: consumers get some events twice, in the
same order, and miss none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

import structlog
from django.db import transaction

from events.db.query import execute
from events.delivery.failures import summary_of
from events.log.watermark import settled
from events.tracing.spans import recording
from publishing import sql
from publishing.engine import records as reading
from publishing.engine.cursors import LEASE, RETRY, Held, LeaseLost
from publishing.engine.publisher import Outcome, Publisher
from publishing.engine.records import Record
from publishing.engine.traces import Publishing

log = structlog.get_logger(__name__)

BATCH = 5000
"""Events in one turn."""
DEADLINE = LEASE * 8 / 15
"""Seconds for the confirmations of one batch; with what surrounds it, less than the lease."""
WRITERS_WITHIN = 1.0
"""Seconds that a turn waits at a gap in the log for open transactions."""
DUE_AT_ONCE = 50
OF_ONE_STREAM = 500

Refused = dict[str, tuple[int, Exception]]
"""By stream, the position of the event that the broker refuses, and why."""


class BrokerLost(Exception):
    """The broker is unreachable, slow or not set up. The turn is repeated after a pause."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


def advance(publisher: Publisher, cursor: Held, batch: int = BATCH) -> int:
    """Publishes the next events of the cursor; returns how many positions it moved. Raises LeaseLost and BrokerLost."""
    cursor.renew()
    until = settled(cursor.position, batch, WRITERS_WITHIN)
    if cursor.until is not None:
        until = min(until, cursor.until)
    moved = until - cursor.position
    if moved <= 0:
        return 0
    found = reading.between(cursor.position, until, cursor.slot, cursor.slots)
    refused = _send(publisher, cursor, _free(cursor.publisher, found), again=cursor.backfill)
    cursor.move(until, refused)
    return moved


def retry_held(publisher: Publisher, cursor: Held) -> int:
    """Tries held streams that are due, from the refused event up to the cursor; returns how many it tried.

    Raises LeaseLost and BrokerLost.
    """
    due = execute(sql.DUE, {"publisher": cursor.publisher, "limit": DUE_AT_ONCE, **cursor.of_slot})
    for id_, stream, position, attempts in due:
        cursor.renew()
        found = reading.of_stream(stream, position, cursor.position, OF_ONE_STREAM)
        refused = _send(publisher, cursor, found, again=True)
        with transaction.atomic():
            cursor.check()  # no process moves the cursor meanwhile, so what is not found is published by it later
            if stream in refused:
                _refused_again(id_, position, attempts, *refused[stream])
            elif len(found) == OF_ONE_STREAM:
                execute(sql.ADVANCE, {"id": id_, "position": position, "next": found[-1].position + 1})
            else:
                execute(sql.LET_GO, {"id": id_, "position": position})
        cursor.confirmed.clear()
    return len(due)


def _refused_again(id_: int, position: int, attempts: int, where: int, error: Exception) -> None:
    """A later event than before begins with its first attempt."""
    attempt = attempts + 1 if where == position else 1
    seconds = None if RETRY.exhausted(attempt) else RETRY.delay(attempt)
    execute(
        sql.REFUSED_AGAIN,
        {"id": id_, "position": position, "next": where, "attempts": attempt, "error": summary_of(error),
         "seconds": seconds},
    )  # fmt: skip


def _free(publisher: str, found: Sequence[Record]) -> list[Record]:
    """Without the events that wait behind the refused one of their stream."""
    streams = list({record.stream for record in found})
    held = dict(execute(sql.HELD, {"publisher": publisher, "streams": streams})) if streams else {}
    return [record for record in found if record.position < held.get(record.stream, record.position + 1)]


def _send(publisher: Publisher, cursor: Held, found: Sequence[Record], *, again: bool = False) -> Refused:
    """Publishes all of these, or raises BrokerLost. Of a refused event and those behind it, each goes alone.

    One refused record may fail its whole batch, and only alone does it show which one it is.
    """
    refused: Refused = {}
    open_ = _open(found, cursor)
    while open_:
        outcome = _publish(publisher, cursor, open_, again=again)
        open_ = _open(open_, cursor)
        suspects = {record.stream for record in open_ if record.position in outcome.refused}
        for stream in suspects:
            _send_alone(publisher, cursor, [record for record in open_ if record.stream == stream], refused)
        open_ = [record for record in open_ if record.stream not in suspects]
    return refused


def _send_alone(publisher: Publisher, cursor: Held, line: Iterable[Record], refused: Refused) -> None:
    for record in line:
        outcome = _publish(publisher, cursor, [record], again=True)
        if record.position in outcome.refused:
            error = outcome.refused[record.position]
            refused[record.stream] = record.position, error
            log.warning("stream held", publisher=cursor.publisher, stream=record.stream, error=summary_of(error))
            return


def _publish(publisher: Publisher, cursor: Held, found: Sequence[Record], *, again: bool) -> Outcome:
    cursor.renew()
    publishing = Publishing(cursor, found, again=again) if recording() else None
    cursor.tried = max(cursor.tried, found[-1].position)
    outcome = publisher.publish(found, DEADLINE)
    if publishing is not None:
        publishing.ended(outcome)
    cursor.confirmed |= outcome.confirmed
    if outcome.lost is not None:
        raise BrokerLost(outcome.lost)
    return outcome


def _open(found: Sequence[Record], cursor: Held) -> list[Record]:
    return [record for record in found if record.position not in cursor.confirmed]


def note_unrouted(publisher: Publisher, cursor: Held) -> None:
    """Writes down how much waits where no queue is bound."""
    with suppress(LeaseLost):
        count = publisher.unrouted()
        if count is not None:
            cursor.note_unrouted(count)
