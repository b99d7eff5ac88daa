"""The kernel of events as a Django application."""

from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "events"

    def ready(self) -> None:
        from events import checks, deliveries  # noqa: F401  the checks register, the deliveries listen
