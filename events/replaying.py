"""Going on with replays: under a lease, in bounded batches, each one transaction with the place that it reached.

Whoever dies loses the batch under way; when the lease has run out, another goes on from there.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import structlog
from celery import current_app
from django.db import transaction
from django.db.models.functions import Now

from events import rebuild, redeliver, sql
from events.broker import send
from events.errors import Refused
from events.isolation import database_lost
from events.models import Replay, ReplayState
from events.subscribers import Subscriber, subscriber

TASK = "events.replay"
LEASE = 30.0
"""Seconds between two batches after which whoever was at it counts as dead."""

log = structlog.get_logger(__name__)


def hurry() -> None:
    """A message that says "look now"; without it, beat's next one does."""
    send(current_app, TASK, [])


def go_on(seconds: float, replay_id: UUID | None = None) -> bool:
    """Works for about so long on a replay that is due and that nobody is at; whether there is more to do at once."""
    lease = uuid4()
    claimed = sql.run(sql.CLAIM_REPLAY, {"lease": lease, "seconds": LEASE, "id": replay_id})
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
    """Seconds until there is something to do again; None where it is over, or another's."""
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
        raise Refused("not-replayable", f"{replay.subscriber} is not what it was when the replay began: start anew.")
    return listening


def _failed(replay_id: UUID, lease: UUID, error: Exception) -> None:
    """Tried again as the subscriber's deliveries would be; then it is over, and what is live stays as it is."""
    with transaction.atomic():
        replay = _locked(replay_id, lease)
        if replay is None:
            return
        listening = subscriber(replay.subscriber)
        replay.attempts += 1
        replay.error = f"{type(error).__name__}: {error}".replace("\0", "")
        replay.lease = None
        if listening is None or isinstance(error, Refused) or listening.retry.exhausted(replay.attempts):
            replay.state, replay.finished_at = ReplayState.FAILED, Now()
        else:
            replay.due_at = _in(listening.retry.delay(replay.attempts))
        replay.save()
    log.warning("replay failed", replay=str(replay_id), error=replay.error, state=str(replay.state))


def _in(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)
