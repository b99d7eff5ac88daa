"""The outbox: a recorded event gets one delivery for each of its subscribers, in the same transaction."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.dispatch import receiver

from events import sql, wake
from events.event import Event
from events.log import Recorded
from events.signals import domain_event
from events.subscribers import listeners


@receiver(domain_event, dispatch_uid="events.deliveries")
def add_deliveries(sender: type[Event], recorded: Sequence[Recorded], **_: Any) -> None:
    """One statement, however many events and subscribers."""
    names, ordered = listening(sender)
    if not names:
        return
    positions = [one.position for one in recorded]
    streams = [one.event.stream for one in recorded] if any(ordered) else [""] * len(recorded)
    sql.run(sql.ADD_DELIVERIES, [positions, streams, names, ordered])
    transaction.on_commit(wake.relay)


def listening(event: type[Event]) -> tuple[list[str], list[bool]]:
    """Who gets a delivery of such an event now, and whether in order: the columns of `sql.ADD_DELIVERIES`."""
    subscribers = [one for one in listeners(event) if one.wanted is None or one.wanted(event)]
    return [one.name for one in subscribers], [one.ordered for one in subscribers]


def is_alone(event: type[Event]) -> bool:
    """Whether nobody else in this process hears of such an event as it is recorded.

    Then its row and deliveries may be written by a larger statement (`sql.PARTS`); else `domain_event` must be sent.
    """
    others, waiting = domain_event._live_receivers(event)
    return others == [add_deliveries] and not waiting
