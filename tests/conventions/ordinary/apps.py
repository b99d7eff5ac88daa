"""Put into INSTALLED_APPS by tests.conventions.settings."""

from django.apps import AppConfig


class OrdinaryConfig(AppConfig):
    name = "tests.conventions.ordinary"

    def ready(self) -> None:
        from tests.conventions.ordinary import tasks  # noqa: F401  they declare themselves
