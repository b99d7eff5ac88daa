"""Old events as new deliveries to one subscriber. They are this replay's own, so each comes once per replay."""

from __future__ import annotations

from django.db import transaction

from events import replays, sql, wake
from events.models import Replay
from events.settled import settled
from events.subscribers import Subscriber

BATCH = 1_000
MOST_PENDING = 5_000
"""Deliveries of one replay that wait at a time: what happens now must not stand in line behind all of the past."""
WINDOW = 20_000
PATIENCE = 0.1
PAUSE = 1.0


def step(replay: Replay, subscriber: Subscriber) -> float | None:
    """One batch, in the caller's transaction; the seconds to pause, None where all is delivered."""
    scope = replays.Scope(subscriber, replay.since, replay.until, replay.stream)
    if replay.boundary is None:
        return _begin(replay, scope)
    if replay.position >= replay.boundary:
        return PAUSE if _pending(replay, 1) else None
    if _pending(replay, MOST_PENDING) > MOST_PENDING - BATCH:
        return PAUSE
    until = replay.boundary if replay.stream else min(replay.boundary, replay.position + WINDOW)
    within = replays.events_of(scope).filter(position__gt=replay.position, position__lte=until)
    rows = list(within.values_list("position", "stream")[:BATCH])
    _add(replay, subscriber, rows)
    replay.handled += len(rows)
    replay.position = rows[-1][0] if len(rows) == BATCH else until
    return 0.0


def _begin(replay: Replay, scope: replays.Scope) -> float:
    """Where it ends is fixed now: what happens later is delivered anyway."""
    replay.boundary = settled(PATIENCE)
    if replay.boundary is None:
        return PAUSE
    if scope.since:
        replay.position = max(0, replays.first_since(scope.since) - 1)
    if scope.until:
        replay.boundary = min(replay.boundary, replays.first_since(scope.until + 2 * replays.SKEW))
    return 0.0


def _pending(replay: Replay, most: int) -> int:
    count: int = sql.run(sql.STILL_PENDING, {"replay": replay.id, "limit": most})[0][0]
    return count


def _add(replay: Replay, subscriber: Subscriber, rows: list[tuple[int, str]]) -> None:
    sql.run(
        sql.ADD_REPLAYED,
        {
            "positions": [position for position, _ in rows],
            "streams": [stream for _, stream in rows],
            "subscriber": subscriber.name,
            "ordered": subscriber.ordered,
            "replay": replay.id,
        },
    )
    transaction.on_commit(wake.relay)
