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
    listening = [one for one in listeners(sender) if one.wanted is None or one.wanted(sender)]
    if not listening:
        return
    sql.run(
        sql.ADD_DELIVERIES,
        [
            [one.position for one in recorded],
            [one.event.stream for one in recorded],
            [subscriber.name for subscriber in listening],
            [subscriber.ordered for subscriber in listening],
        ],
    )
    transaction.on_commit(wake.relay)
