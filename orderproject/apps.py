"""The project as a Django application: users and commands."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class OrderProjectConfig(AppConfig):
    name = "orderproject"

    def ready(self) -> None:
        autodiscover_modules("tasks")  # in every process, not in workers alone: checks and senders know them too
