"""Handing old events to a subscriber again: what may be replayed, how much that is, starting and stopping it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from events import sql
from events.audit import note
from events.errors import Conflict, Refused
from events.models import Delivery, DeliveryState, Replay, ReplayState, StoredEvent
from events.read_model import next_build
from events.subscribers import Subscriber, subscriber, subscribers

KIND = "replay"
SKEW = timedelta(minutes=5)
"""By so much may the clocks of those who append differ: times are taken before positions, on several machines."""


@dataclass(frozen=True)
class Scope:
    """Which events are handed over again, and to whom. `until` is exclusive."""

    subscriber: Subscriber
    since: datetime | None = None
    until: datetime | None = None
    stream: str = ""

    @property
    def rebuilds(self) -> bool:
        """A read model is made anew as a whole; everybody else gets deliveries."""
        return self.subscriber.read_model is not None


@dataclass(frozen=True)
class Size:
    """A rebuild hands the events over without deliveries."""

    events: int
    deliveries: int


def scope(name: str, *, since: datetime | None = None, until: datetime | None = None, stream: str = "") -> Scope:
    """Raises Refused for what cannot be replayed."""
    listening = subscriber(name)
    if listening is None:
        raise Refused("unknown-subscriber", f"There is no subscriber {name!r}.")
    if not listening.replay:
        known = ", ".join(one.name for one in replayable()) or "none"
        raise Refused("not-replayable", f"{name} does not take part in replays (replay=True). Those that do: {known}.")
    chosen = Scope(listening, since, until, stream)
    if chosen.rebuilds and (since or until or stream):
        raise Refused(
            "whole-log-only", f"{name} makes a read model, which is rebuilt from the whole log or not at all."
        )
    if since and until and since >= until:
        raise Refused("empty-range", "`since` must lie before `until`.")
    return chosen


def replayable() -> Sequence[Subscriber]:
    return [one for one in subscribers() if one.replay]


def size_of(chosen: Scope) -> Size:
    """Today's; events go on to happen."""
    events = events_of(chosen).count()
    return Size(events, 0 if chosen.rebuilds else events)


def events_of(chosen: Scope) -> QuerySet[StoredEvent]:
    """Found by type, by stream, or by the range of positions that was recorded at that time."""
    found = StoredEvent.objects.filter(type__in=chosen.subscriber.types)
    if chosen.stream:
        found = found.filter(stream=chosen.stream)
    if chosen.since:
        found = found.filter(time__gte=chosen.since, position__gte=first_since(chosen.since))
    if chosen.until:
        found = found.filter(time__lt=chosen.until, position__lt=first_since(chosen.until + 2 * SKEW))
    return found.order_by("position")


def first_since(moment: datetime) -> int:
    """No event before this position was recorded at that moment or later."""
    rows = sql.run(sql.FIRST_SINCE, {"since": moment - SKEW})
    return int(rows[0][0]) if rows else 0


def start(chosen: Scope, *, actor: str, reason: str = "") -> Replay:
    """From now on it goes on by itself; see `events.replaying`. Raises Conflict while another one of this
    subscriber is running.
    """
    from events.replaying import hurry

    listening = chosen.subscriber
    try:
        with transaction.atomic():
            replay = Replay.objects.create(
                subscriber=listening.name, since=chosen.since, until=chosen.until, stream=chosen.stream,
                build=next_build(listening.read_model) if listening.read_model else None,
                expected=size_of(chosen).events, started_by=actor, started_at=Now(), due_at=Now(),
            )  # fmt: skip
            note(actor, "replay", KIND, [replay.id], reason=reason, details=_details(chosen))
            transaction.on_commit(hurry)
    except IntegrityError as error:
        if "one_replay_at_a_time" not in str(error):
            raise
        raise Conflict(f"{listening.name} is being replayed already: wait for it, or stop it.") from error
    replay.refresh_from_db()
    return replay


def _details(chosen: Scope) -> dict[str, str]:
    asked = {
        "subscriber": chosen.subscriber.name,
        "since": chosen.since,
        "until": chosen.until,
        "stream": chosen.stream,
    }
    return {name: str(value) for name, value in asked.items() if value}


def stop(replay_id: UUID, *, actor: str, reason: str = "") -> None:
    """What is handed over stays so; what a rebuild has made goes. Raises Refused for one that is not running."""
    with transaction.atomic():
        stopped = Replay.objects.filter(id=replay_id, state=ReplayState.RUNNING).update(
            state=ReplayState.STOPPED, finished_at=Now(), lease=None
        )
        if not stopped:
            raise Refused("not-running", "Only a running replay can be stopped.")
        note(actor, "stop replay", KIND, [replay_id], reason=reason)


@dataclass(frozen=True)
class Progress:
    """`delivered` are the deliveries of a replay that are over, well or not; a rebuild has none."""

    handled: int
    expected: int
    deliveries: int
    delivered: int
    dead: int

    @property
    def share(self) -> float:
        """From 0 to 1. More may have happened since it began than was expected then."""
        done = self.handled - (self.deliveries - self.delivered)
        return min(1.0, done / self.expected) if self.expected else 1.0


def progress_of(replay: Replay) -> Progress:
    made = replay.handled if replay.build is None else 0
    mine = Delivery.objects.filter(replay=replay)
    waiting = mine.filter(state=DeliveryState.PENDING).count() if made else 0
    dead = mine.filter(state=DeliveryState.DEAD).count() if made else 0
    return Progress(replay.handled, replay.expected, made, made - waiting, dead)
