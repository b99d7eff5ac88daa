"""The transactional outbox: every recorded event gets one delivery per subscriber, in the same transaction."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.dispatch import receiver

from events.db.query import execute
from events.declare.event import Event
from events.declare.subscribers import listeners
from events.delivery import sql, wake
from events.log.append import Recorded
from events.signals import domain_event


@receiver(domain_event, dispatch_uid="events.delivery.outbox")
def add_deliveries(sender: type[Event], recorded: Sequence[Recorded], **_: Any) -> None:
    """Receiver of `domain_event`. Uses one statement for any number of events and subscribers."""
    names, ordered = listening(sender)
    if not names:
        return
    positions = [one.position for one in recorded]
    streams = [one.event.stream for one in recorded] if any(ordered) else [""] * len(recorded)
    execute(sql.ADD_DELIVERIES, [positions, streams, names, ordered])
    transaction.on_commit(wake.notify_relay)


def listening(event: type[Event]) -> tuple[list[str], list[bool]]:
    """The names of the event's current subscribers and whether each is ordered: parameters of `sql.ADD_DELIVERIES`."""
    subscribers = [one for one in listeners(event) if one.wanted is None or one.wanted(event)]
    return [one.name for one in subscribers], [one.ordered for one in subscribers]


def is_alone(event: type[Event]) -> bool:
    """Whether the outbox is the only receiver of `domain_event` for this event class in this process.

    If so, a larger statement may write the event and its deliveries (`sql.PARTS`) without sending the signal.
    """
    others, waiting = domain_event._live_receivers(event)
    return others == [add_deliveries] and not waiting


def statement_parts(gate: str) -> str:
    """Two common table expressions that append events and their deliveries within a larger statement.

    `gate` names the one before them: an event whose stream has no row there is not appended. Parameters: the columns of
    `events.log.append.columns_of`, then those of `listening`.
    """
    return sql.PARTS.format(gate=gate)
