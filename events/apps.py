"""The kernel of events as a Django application."""

from django.apps import AppConfig
from kombu.transport import TRANSPORT_ALIASES

TRANSPORT = "events.redis_transport:Transport"


class EventsConfig(AppConfig):
    name = "events"

    def ready(self) -> None:
        TRANSPORT_ALIASES.update(redis=TRANSPORT, rediss=TRANSPORT)
        from events import checks, deliveries  # noqa: F401  the checks register, the deliveries listen
