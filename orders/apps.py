"""The orders service as a Django application."""

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "orders"

    def ready(self) -> None:
        from orders import sagas, subscribers  # noqa: F401  importing them declares them
