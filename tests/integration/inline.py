"""An event whose only subscriber runs within the relay's claim."""

from collections.abc import Sequence
from uuid import UUID, uuid4

from events import Backoff, Event
from events.declare.queues import STREAMS
from events.delivery.subscribe import subscribe
from events.log.append import emit

seen: list[str] = []


class Seen(Event, type="star.seen", version="1.0", stream="star_id"):
    """Somebody saw a star."""

    star_id: UUID
    name: str


def see(*names: str) -> None:
    emit(Seen(star_id=uuid4(), name=name) for name in names)


def look(events: Sequence[Seen]) -> None:
    seen.extend(event.name for event in events)


@subscribe(Seen, queue=STREAMS, at_relay=True, batch=50, retry=Backoff(base=1, cap=4, attempts=3))
def look_at_once(events: Sequence[Seen]) -> None:
    """Short database work, such as starting a saga."""
    look(events)
