"""Events and deliveries as the admin's templates show them."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from events.describe import describe
from events.models import Attempt, Delivery, DeliveryState, StoredEvent

COLOURS = {
    DeliveryState.PENDING: "info",
    DeliveryState.DONE: "success",
    DeliveryState.DEAD: "danger",
    DeliveryState.DISCARDED: "",
}
BAD = ("failed", "rejected", "cancelled", "low")
GOOD = ("confirmed", "succeeded", "committed", "delivered", "sent", "shipped")


@dataclass(frozen=True)
class Moment:
    """One event on the timeline; `after` says how long after the first."""

    event: StoredEvent
    text: str
    json: str
    after: str
    mood: str


@dataclass(frozen=True)
class Sending:
    """One delivery with what went wrong on its way."""

    delivery: Delivery
    colour: str
    failures: Sequence[Attempt]


def pretty(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False)


def timeline(events: Sequence[StoredEvent]) -> list[Moment]:
    return [
        Moment(event, describe(event.data), pretty(event.envelope()), _after(events[0], event), _mood(event.type))
        for event in events
    ]


def sendings(events: Sequence[StoredEvent]) -> list[Sending]:
    """The deliveries of these events, with their attempts: two statements."""
    deliveries = list(Delivery.objects.filter(event__in=events).select_related("event").order_by("event_id", "id"))
    failures: dict[int, list[Attempt]] = defaultdict(list)
    # By time: the numbers start again when a person retries.
    for attempt in Attempt.objects.filter(delivery__in=deliveries).order_by("id"):
        failures[attempt.delivery_id].append(attempt)
    return [Sending(one, COLOURS[DeliveryState(one.state)], failures[one.id]) for one in deliveries]


def _after(first: StoredEvent, event: StoredEvent) -> str:
    seconds = (event.time - first.time).total_seconds()
    if seconds < 1:
        return f"+{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"+{seconds:.1f} s"
    minutes = int(seconds // 60)
    return f"+{minutes} min" if minutes < 120 else f"+{minutes // 60} h" if minutes < 2880 else f"+{minutes // 1440} d"


def _mood(event_type: str) -> str:
    verb = event_type.rpartition(".")[2]
    return "danger" if verb in BAD else "success" if verb in GOOD else "info"
