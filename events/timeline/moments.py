"""View models of events and deliveries for the admin's templates."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from desk.actors import names_of
from desk.json_text import pretty
from events.declare.event import Tone
from events.declare.registry import newest
from events.models import Attempt, Delivery, DeliveryState, StoredEvent
from events.timeline.describe import describe

COLOURS = {
    DeliveryState.PENDING: "info",
    DeliveryState.DONE: "success",
    DeliveryState.DEAD: "danger",
    DeliveryState.DISCARDED: "",
}
TONES = {Tone.GOOD: "success", Tone.NEUTRAL: "info", Tone.BAD: "danger"}


@dataclass(frozen=True)
class Moment:
    """One event on the timeline. `after`: the time since the first event, as text. `by`: the actor's name."""

    event: StoredEvent
    text: str
    json: str
    after: str
    colour: str
    by: str


@dataclass(frozen=True)
class Sending:
    """One delivery with its failed attempts, those before an operator's retry included."""

    delivery: Delivery
    colour: str
    failures: Sequence[Attempt]

    @property
    def failed(self) -> str:
        return failed_attempts(len(self.failures), self.delivery.attempts)


def timeline(events: Sequence[StoredEvent]) -> list[Moment]:
    """One statement, for the names of the actors."""
    names = names_of(event.actor for event in events)
    return [_moment(event, _after(events[0], event), names.get(event.actor, event.actor)) for event in events]


def _moment(event: StoredEvent, after: str, by: str) -> Moment:
    declared = newest(event.type)
    colour = TONES[declared.tone if declared else Tone.NEUTRAL]
    return Moment(event, describe(event.data, declared), pretty(event.envelope()), after, colour, by)


def sendings(events: Sequence[StoredEvent]) -> list[Sending]:
    """The deliveries of these events with their attempts, in two statements."""
    deliveries = list(Delivery.objects.filter(event__in=events).select_related("event").order_by("event_id", "id"))
    failures: dict[int, list[Attempt]] = defaultdict(list)
    # Ordered by id, because the attempt numbers restart after an operator's retry.
    for attempt in Attempt.objects.filter(delivery__in=deliveries).order_by("id"):
        failures[attempt.delivery_id].append(attempt)
    return [Sending(one, COLOURS[DeliveryState(one.state)], failures[one.id]) for one in deliveries]


def with_failures(deliveries: QuerySet[Delivery]) -> QuerySet[Any]:
    """Annotates `failures_in_all`, which an operator's retry does not set back as it does `attempts`."""
    failures = Attempt.objects.filter(delivery=OuterRef("pk")).order_by().values("delivery")
    return deliveries.annotate(failures_in_all=Coalesce(Subquery(failures.annotate(all=Count("id")).values("all")), 0))


def failed_attempts(in_all: int, since_retry: int) -> str:
    """`3`, or `3, none since the retry` where an operator's retry has begun a new count."""
    if in_all <= since_retry:
        return str(since_retry)
    return f"{in_all}, {since_retry or 'none'} since the retry"


def _after(first: StoredEvent, event: StoredEvent) -> str:
    seconds = (event.time - first.time).total_seconds()
    if seconds < 1:
        return f"+{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"+{seconds:.1f} s"
    minutes = int(seconds // 60)
    return f"+{minutes} min" if minutes < 120 else f"+{minutes // 60} h" if minutes < 2880 else f"+{minutes // 1440} d"
