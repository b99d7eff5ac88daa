"""A kit for tests of what uses events: over the real log, the real relay, the real broker and the real tasks.

Only tests import it. `docs/howto/test-your-events.md` shows each part at work; `sagas.testing` adds what sagas need.
"""

from events.testing.broker import Broker, Message, TaskFailed
from events.testing.deliveries import Delivered, Deliveries
from events.testing.draining import Clock, NotAtRest, drain
from events.testing.matching import Like, like
from events.testing.scenario import given

__all__ = [
    "Broker",
    "Clock",
    "Delivered",
    "Deliveries",
    "Like",
    "Message",
    "NotAtRest",
    "TaskFailed",
    "drain",
    "given",
    "like",
]
