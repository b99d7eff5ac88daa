"""Rebuilds a read model from the log beside the live one, and swaps it in.

The new build handles the log in order of position, up to the high watermark. The swap then blocks deliveries to this
subscriber for a moment and handles the later events whose deliveries are already done. Deliveries that are still
pending reach the new build as usual; handlers skip the events that the new build already contains.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from events.db.query import execute
from events.declare import read_model
from events.declare.codec import decode
from events.declare.read_model import Live
from events.declare.subscribers import Subscriber
from events.delivery.handle import Taken, hand_over
from events.log.context import Context
from events.log.watermark import high_watermark
from events.models import Replay
from events.replay import sql

WINDOW = 20_000
"""Positions that a batch spans at most, which bounds its duration."""
NEAR = 5_000
"""The distance to the end of the log, in positions, at which the swap may start."""
WRITERS_TIMEOUT = 0.1
"""Seconds to wait for open transactions before the worker gives other tasks a turn."""
PAUSE = 0.5
"""Seconds until the next attempt after that."""

Row = tuple[Any, ...]


def step(replay: Replay, subscriber: Subscriber) -> float | None:
    """Handles one batch in the caller's transaction. Returns the seconds to pause; None when the rebuild is done."""
    if replay.boundary is not None and replay.position < replay.boundary:
        _batch(replay, subscriber, replay.boundary)
        return 0.0
    replay.boundary = high_watermark(WRITERS_TIMEOUT)
    if replay.boundary is None:
        return PAUSE
    if replay.boundary - replay.position > NEAR:
        return 0.0
    _swap(replay, subscriber, replay.boundary)
    return None


def _batch(replay: Replay, subscriber: Subscriber, boundary: int) -> None:
    until = min(boundary, replay.position + WINDOW)
    rows = _log(replay, subscriber, until)
    _count(replay, subscriber, rows)
    if len(rows) == subscriber.batch:
        until = rows[-1][0]
    elif not rows:
        until = _before_next(subscriber, until, boundary)
    replay.position = until


def _swap(replay: Replay, subscriber: Subscriber, boundary: int) -> None:
    """Handles the remaining events and makes the new build live, in one transaction. Handlers wait, so it is short."""
    assert subscriber.read_model is not None  # noqa: S101  the runner chose this module by it
    assert replay.build is not None  # noqa: S101
    read_model.lock_live(subscriber.read_model)
    while replay.position < boundary:
        _batch(replay, subscriber, boundary)
    done = {"after": boundary, "types": subscriber.types, "subscriber": subscriber.name}
    rows = execute(sql.LOG_HANDLED_AFTER, done)
    for start in range(0, len(rows), subscriber.batch):
        _count(replay, subscriber, rows[start : start + subscriber.batch])
    read_model.make_live(subscriber.read_model, Live(replay.build, boundary))


def _log(replay: Replay, subscriber: Subscriber, until: int) -> list[Row]:
    asked = {"after": replay.position, "until": until, "types": subscriber.types, "limit": subscriber.batch}
    return execute(sql.LOG_BETWEEN, asked)


def _before_next(subscriber: Subscriber, after: int, boundary: int) -> int:
    """The position before the next event of this subscriber, so that a gap in the log costs one batch."""
    ((position,),) = execute(sql.NEXT_OF_TYPES, {"types": subscriber.types, "after": after})
    return boundary if position is None else min(position - 1, boundary)


def _count(replay: Replay, subscriber: Subscriber, rows: Sequence[Row]) -> None:
    failed = hand_over(subscriber, [_taken(row) for row in rows], replay.build)
    for error in failed.values():
        raise error
    replay.handled += len(rows)


def _taken(row: Row) -> Taken:
    position, event_id, type_, version, data, correlation, actor, trace, time = row
    context = Context(correlation, str(event_id), actor, trace)
    return Taken(position, 0, position, event_id, decode(type_, version, data), context, time, again=True)
