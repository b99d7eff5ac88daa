"""The kernel of events: declare, record, deliver. It knows no service and can be lifted out.

`events.aggregate` holds what needs Django's models: `Aggregate` and `save_all`.
"""

from events.errors import Conflict, DeclarationError, Refused, UnknownEvent, UnrecordedWrite
from events.event import Event
from events.money import Money
from events.queues import Queue
from events.retry import Backoff
from events.signals import domain_event
from events.subscribers import Failures, subscribe
from events.upcasts import upcast

__all__ = [
    "Backoff",
    "Conflict",
    "DeclarationError",
    "Event",
    "Failures",
    "Money",
    "Queue",
    "Refused",
    "UnknownEvent",
    "UnrecordedWrite",
    "domain_event",
    "subscribe",
    "upcast",
]
