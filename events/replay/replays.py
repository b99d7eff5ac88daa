"""Starts and stops replays of old events to a subscriber, and computes their scope, size and progress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from celery import current_app
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from desk import audit
from events.declare.read_model import next_build
from events.declare.subscribers import Subscriber, subscriber, subscribers
from events.delivery.broker import send
from events.errors import Conflict, Refused
from events.log.watermark import SKEW, first_since
from events.models import Delivery, DeliveryState, Replay, ReplayState, StoredEvent
from web.calendar import within_calendar

TASK = "events.replay"
KIND = "replay"


@dataclass(frozen=True)
class Scope:
    """Which events are replayed, and to which subscriber. `until` is exclusive."""

    subscriber: Subscriber
    since: datetime | None = None
    until: datetime | None = None
    stream: str = ""

    @property
    def rebuilds(self) -> bool:
        """Whether the replay rebuilds a read model; otherwise it creates deliveries."""
        return self.subscriber.read_model is not None


@dataclass(frozen=True)
class Size:
    """The size of a replay. A rebuild has no deliveries."""

    events: int
    deliveries: int


def scope(name: str, *, since: datetime | None = None, until: datetime | None = None, stream: str = "") -> Scope:
    """Validates the scope of a replay. Raises Refused if it cannot be replayed."""
    listening = subscriber(name)
    if listening is None:
        raise Refused("unknown-subscriber", f"There is no subscriber {name!r}.")
    if not listening.replay:
        known = ", ".join(one.name for one in replayable()) or "none"
        raise Refused("not-replayable", f"{name} is not declared with replay=True. Choose one that is: {known}.")
    chosen = Scope(listening, since and within_calendar(since), until and within_calendar(until), stream)
    if chosen.rebuilds and (since or until or stream):
        raise Refused(
            "whole-log-only",
            f"{name} makes a read model, which can only be rebuilt from the whole log: omit since, until and stream.",
        )
    if since and until and since >= until:
        raise Refused("empty-range", "`since` must be earlier than `until`.")
    return chosen


def replayable() -> Sequence[Subscriber]:
    return [one for one in subscribers() if one.replay]


def size_of(chosen: Scope) -> Size:
    """The current size; new events may still add to it."""
    events = events_of(chosen).count()
    return Size(events, 0 if chosen.rebuilds else events)


def events_of(chosen: Scope) -> QuerySet[StoredEvent]:
    """The events in scope. Times are translated to a range of positions, because time has no index."""
    found = StoredEvent.objects.filter(type__in=chosen.subscriber.types)
    if chosen.stream:
        found = found.filter(stream=chosen.stream)
    if chosen.since:
        found = found.filter(time__gte=chosen.since, position__gte=first_since(chosen.since))
    if chosen.until:
        found = found.filter(time__lt=chosen.until, position__lt=first_since(chosen.until + 2 * SKEW))
    return found.order_by("position")


def start(chosen: Scope, *, actor: str, reason: str = "") -> Replay:
    """Starts a replay, which then continues in the background (see `events.replay.runner`).

    Raises Conflict while another replay to this subscriber is running.
    """
    listening = chosen.subscriber
    try:
        with transaction.atomic():
            replay = Replay.objects.create(
                subscriber=listening.name, since=chosen.since, until=chosen.until, stream=chosen.stream,
                build=next_build(listening.read_model) if listening.read_model else None,
                expected=size_of(chosen).events, started_by=actor, started_at=Now(), due_at=Now(),
            )  # fmt: skip
            audit.record(actor, "replay", KIND, [replay.id], reason=reason, details=_details(chosen))
            transaction.on_commit(notify_replays)
    except IntegrityError as error:
        if "one_replay_at_a_time" not in str(error):
            raise
        raise Conflict(f"Another replay to {listening.name} is running: wait for it, or stop it.") from error
    replay.refresh_from_db()
    return replay


def notify_replays() -> None:
    """Sends the replay task now. If the message is lost, the periodic task finds the replay."""
    send(current_app, TASK, [])


def _details(chosen: Scope) -> dict[str, str]:
    asked = {
        "subscriber": chosen.subscriber.name,
        "since": chosen.since,
        "until": chosen.until,
        "stream": chosen.stream,
    }
    return {name: str(value) for name, value in asked.items() if value}


def stop(replay_id: UUID, *, actor: str, reason: str = "") -> None:
    """Stops a replay. Events already delivered stay delivered; an unfinished rebuild is deleted later.

    Raises Refused if the replay is not running.
    """
    with transaction.atomic():
        stopped = Replay.objects.filter(id=replay_id, state=ReplayState.RUNNING).update(
            state=ReplayState.STOPPED, finished_at=Now(), lease=None
        )
        if not stopped:
            raise Refused("not-running", "Only a running replay can be stopped.")
        audit.record(actor, "stop replay", KIND, [replay_id], reason=reason)


@dataclass(frozen=True)
class Progress:
    """The progress of a replay. `delivered`: deliveries that are done, dead or discarded; a rebuild has none."""

    handled: int
    expected: int
    deliveries: int
    delivered: int
    dead: int

    @property
    def share(self) -> float:
        """The progress from 0 to 1. Capped, because events recorded since the start add to those expected then."""
        done = self.handled - (self.deliveries - self.delivered)
        return min(1.0, done / self.expected) if self.expected else 1.0


def progress_of(replay: Replay) -> Progress:
    made = replay.handled if replay.build is None else 0
    mine = Delivery.objects.filter(replay=replay)
    waiting = mine.filter(state=DeliveryState.PENDING).count() if made else 0
    dead = mine.filter(state=DeliveryState.DEAD).count() if made else 0
    return Progress(replay.handled, replay.expected, made, made - waiting, dead)
