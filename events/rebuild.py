"""Making a read model anew from the log, beside the live one, and swapping it in.

The new build counts the log up to a settled position, by position. The swap then keeps deliveries of this subscriber
out for a moment: behind that position it counts what they have done already. What is still on its way comes to the
new build as it would have come to the old one; what the new build has counted changes nothing when it comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from events import read_model, sql
from events.codec import decode
from events.context import Context
from events.deliver import Taken, hand_over
from events.models import Replay
from events.read_model import Live
from events.settled import settled
from events.subscribers import Subscriber

WINDOW = 20_000
"""Positions that a batch looks at: a subscriber of rare events goes through the log no faster than this."""
NEAR = 5_000
"""Positions behind the end at which it is worth keeping deliveries out for the rest."""
PATIENCE = 0.1
"""Seconds to wait for open transactions before others get a turn."""
PAUSE = 0.5

Row = tuple[Any, ...]


def step(replay: Replay, subscriber: Subscriber) -> float | None:
    """One batch, in the caller's transaction; the seconds to pause, None where it is done."""
    if replay.boundary is not None and replay.position < replay.boundary:
        _batch(replay, subscriber, replay.boundary)
        return 0.0
    replay.boundary = settled(PATIENCE)
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
    replay.position = rows[-1][0] if len(rows) == subscriber.batch else until


def _swap(replay: Replay, subscriber: Subscriber, boundary: int) -> None:
    """In one transaction: the rest, and the other build is live. Handlers wait for it, so it must be short."""
    assert subscriber.read_model is not None  # noqa: S101  replaying chose this module by it
    assert replay.build is not None  # noqa: S101
    read_model.lock_live(subscriber.read_model)
    while replay.position < boundary:
        _batch(replay, subscriber, boundary)
    done = {"after": boundary, "types": subscriber.types, "subscriber": subscriber.name}
    rows = sql.run(sql.LOG_HANDLED_AFTER, done)
    for start in range(0, len(rows), subscriber.batch):
        _count(replay, subscriber, rows[start : start + subscriber.batch])
    read_model.make_live(subscriber.read_model, Live(replay.build, boundary))


def _log(replay: Replay, subscriber: Subscriber, until: int) -> list[Row]:
    asked = {"after": replay.position, "until": until, "types": subscriber.types, "limit": subscriber.batch}
    return sql.run(sql.LOG_BETWEEN, asked)


def _count(replay: Replay, subscriber: Subscriber, rows: Sequence[Row]) -> None:
    failed = hand_over(subscriber, [_taken(row) for row in rows], replay.build)
    for error in failed.values():
        raise error
    replay.handled += len(rows)


def _taken(row: Row) -> Taken:
    position, event_id, type_, version, data, correlation, actor, trace, time = row
    context = Context(correlation, str(event_id), actor, trace)
    return Taken(position, 0, position, event_id, decode(type_, version, data), context, time)
