"""The project as a Django application: users and commands."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.module_loading import autodiscover_modules

from orderproject.groups import create_groups


class OrderProjectConfig(AppConfig):
    name = "orderproject"

    def ready(self) -> None:
        autodiscover_modules("tasks")  # in every process, not in workers alone: checks and senders know them too
        # The last application: by now all permissions exist.
        post_migrate.connect(create_groups, sender=self, dispatch_uid="orderproject.groups")
