"""Runs replays under a lease, in bounded batches. Each batch and the position it reached are one transaction.

If the process crashes, the current batch is rolled back; another process continues when the lease has expired.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import structlog
from django.db import transaction
from django.db.models.functions import Now

from events.db.bisect import database_lost
from events.db.query import execute
from events.declare.subscribers import Subscriber, subscriber
from events.delivery.failures import summary_of
from events.errors import Refused
from events.models import Replay, ReplayState
from events.replay import rebuild, redeliver, sql

LEASE = 30.0
"""Seconds without a finished batch after which another process may take over."""

log = structlog.get_logger(__name__)


def continue_replay(seconds: float, replay_id: UUID | None = None) -> bool:
    """Works for about `seconds` on a replay that is due and not leased. Returns whether it can continue immediately."""
    lease = uuid4()
    claimed = execute(sql.CLAIM_REPLAY, {"lease": lease, "seconds": LEASE, "id": replay_id})
    if not claimed:
        return False
    (mine,) = claimed[0]
    deadline = time.monotonic() + seconds
    pause: float | None = 0.0
    while pause == 0.0 and time.monotonic() < deadline:
        pause = _step(mine, lease)
    if pause is not None:
        Replay.objects.filter(id=mine, lease=lease).update(lease=None, due_at=_in(pause))
    return pause == 0.0


def _step(replay_id: UUID, lease: UUID) -> float | None:
    """Runs one batch. Returns the seconds until the next one; None if the replay is over or the lease is lost."""
    try:
        with transaction.atomic():
            replay = _locked(replay_id, lease)
            if replay is None:
                return None
            listening = _subscriber(replay)
            step = redeliver.step if replay.build is None else rebuild.step
            pause = step(replay, listening)
            replay.attempts, replay.error, replay.due_at = 0, "", _in(LEASE)
            if pause is None:
                replay.state, replay.lease, replay.finished_at = ReplayState.DONE, None, Now()
                log.info("replay done", replay=str(replay_id), subscriber=listening.name, events=replay.handled)
            replay.save()
            return pause
    except Exception as error:
        if database_lost(error):
            raise
        _failed(replay_id, lease, error)
        return None


def _locked(replay_id: UUID, lease: UUID) -> Replay | None:
    return Replay.objects.select_for_update().filter(id=replay_id, lease=lease, state=ReplayState.RUNNING).first()


def _subscriber(replay: Replay) -> Subscriber:
    listening = subscriber(replay.subscriber)
    if listening is None or not listening.replay or (listening.read_model is None) != (replay.build is None):
        raise Refused(
            "not-replayable", f"{replay.subscriber} was declared differently when the replay started: start a new one."
        )
    return listening


def _failed(replay_id: UUID, lease: UUID, error: Exception) -> None:
    """Retries with the subscriber's backoff. When that is exhausted, the replay has failed; a live build stays live."""
    with transaction.atomic():
        replay = _locked(replay_id, lease)
        if replay is None:
            return
        listening = subscriber(replay.subscriber)
        replay.attempts += 1
        replay.error = summary_of(error)
        replay.lease = None
        if listening is None or isinstance(error, Refused) or listening.retry.exhausted(replay.attempts):
            replay.state, replay.finished_at = ReplayState.FAILED, Now()
        else:
            replay.due_at = _in(listening.retry.delay(replay.attempts))
        replay.save()
    log.warning("replay batch failed", replay=str(replay_id), error=replay.error, state=str(replay.state))


def _in(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)
