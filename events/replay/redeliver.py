"""Creates new deliveries of old events to one subscriber. Each event gets one delivery per replay."""

from __future__ import annotations

from django.db import transaction

from events.db.query import execute
from events.declare.subscribers import Subscriber
from events.delivery import wake
from events.log.watermark import SKEW, first_since, high_watermark
from events.models import Replay
from events.replay import replays, sql

BATCH = 1_000
MAX_PENDING = 5_000
"""Deliveries of one replay that may be pending, so that new events need not wait behind the whole replay."""
WINDOW = 20_000
"""Positions that a batch spans at most."""
WRITERS_TIMEOUT = 0.1
"""Seconds to wait for open transactions before the worker gives other tasks a turn."""
PAUSE = 1.0
"""Seconds until the next batch if there is nothing to do now."""


def step(replay: Replay, subscriber: Subscriber) -> float | None:
    """Creates one batch in the caller's transaction. Returns the seconds to pause; None when all are delivered."""
    scope = replays.Scope(subscriber, replay.since, replay.until, replay.stream)
    if replay.boundary is None:
        return _begin(replay, scope)
    if replay.position >= replay.boundary:
        return PAUSE if _pending(replay, 1) else None
    if _pending(replay, MAX_PENDING) > MAX_PENDING - BATCH:
        return PAUSE
    until = replay.boundary if replay.stream else min(replay.boundary, replay.position + WINDOW)
    within = replays.events_of(scope).filter(position__gt=replay.position, position__lte=until)
    rows = list(within.values_list("position", "stream")[:BATCH])
    _add(replay, subscriber, rows)
    replay.handled += len(rows)
    replay.position = rows[-1][0] if len(rows) == BATCH else until
    return 0.0


def _begin(replay: Replay, scope: replays.Scope) -> float:
    """Fixes the range of the replay. It ends at the high watermark, because later events are delivered anyway."""
    replay.boundary = high_watermark(WRITERS_TIMEOUT)
    if replay.boundary is None:
        return PAUSE
    if scope.since:
        replay.position = max(0, first_since(scope.since) - 1)
    if scope.until:
        replay.boundary = min(replay.boundary, first_since(scope.until + 2 * SKEW))
    return 0.0


def _pending(replay: Replay, most: int) -> int:
    count: int = execute(sql.STILL_PENDING, {"replay": replay.id, "limit": most})[0][0]
    return count


def _add(replay: Replay, subscriber: Subscriber, rows: list[tuple[int, str]]) -> None:
    execute(
        sql.ADD_REPLAYED,
        {
            "positions": [position for position, _ in rows],
            "streams": [stream for _, stream in rows],
            "subscriber": subscriber.name,
            "ordered": subscriber.ordered,
            "replay": replay.id,
        },
    )
    transaction.on_commit(wake.notify_relay)
