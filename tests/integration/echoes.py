"""An event that may be replayed to some of its subscribers and not to others, for the tests of replays."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from events import Backoff, Event
from events.delivery.subscribe import subscribe
from notifications.events import NOTIFICATIONS
from orders.events import ORDERS

heard: list[tuple[str, str]] = []
keys_seen: list[str] = []
moments: list[datetime] = []
RETRY = Backoff(base=1, cap=1, attempts=2)


class Shouted(Event, type="valley.shouted", version="1.0", stream="valley_id"):
    """Somebody shouted into a valley."""

    valley_id: UUID
    word: str


class Whispered(Event, type="valley.whispered", version="1.0", stream="valley_id"):
    """Nobody was meant to hear."""

    valley_id: UUID


@subscribe(Shouted, queue=NOTIFICATIONS, batch=100, atomic=False, retry=RETRY, replay=True)
def echo(events: Sequence[Shouted], keys: Sequence[str], times: Sequence[datetime]) -> None:
    """May be heard again."""
    heard.extend(("echo", event.word) for event in events)
    keys_seen.extend(keys)
    moments.extend(times)


@subscribe(Shouted, Whispered, queue=ORDERS, retry=RETRY, ordered=True, replay=True)
def in_turn(event: Shouted | Whispered) -> None:
    """Hears both kinds, one valley's after each other."""
    heard.append(("in_turn", event.word if isinstance(event, Shouted) else "…"))


@subscribe(Shouted, queue=NOTIFICATIONS, retry=RETRY)
def frighten(event: Shouted) -> None:
    """Once is enough."""
    heard.append(("frighten", event.word))


def forget() -> None:
    for collected in (heard, keys_seen, moments):
        collected.clear()
