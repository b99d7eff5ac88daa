"""The notifications service as a Django application."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "notifications"

    def ready(self) -> None:
        from notifications import subscribers  # noqa: F401  importing them declares them
