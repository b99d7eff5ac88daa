"""The inventory service as a Django application."""

from django.apps import AppConfig


class InventoryConfig(AppConfig):
    name = "inventory"

    def ready(self) -> None:
        from inventory import steps  # noqa: F401  importing them declares them
