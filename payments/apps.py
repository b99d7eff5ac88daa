"""The payments service as a Django application."""

from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "payments"

    def ready(self) -> None:
        from payments import steps  # noqa: F401  importing them declares them
