"""The event kernel: declare, record and deliver events. It depends on no service, so another project can use it.

`Aggregate` and `save_all` need Django's model registry; import them from `events.log.aggregate`.
"""

from events.declare.event import Event, Tone
from events.declare.foreign import ForeignEvent
from events.declare.money import Money
from events.declare.queues import Queue, declare_queue
from events.declare.retry import Backoff
from events.declare.upcasts import upcast
from events.errors import Conflict, DeclarationError, Refused, UnknownEvent, UnrecordedWrite
from events.signals import domain_event

__all__ = [
    "Backoff",
    "Conflict",
    "DeclarationError",
    "Event",
    "ForeignEvent",
    "Money",
    "Queue",
    "Refused",
    "Tone",
    "UnknownEvent",
    "UnrecordedWrite",
    "declare_queue",
    "domain_event",
    "upcast",
]
