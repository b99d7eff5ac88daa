"""Put into INSTALLED_APPS by tests.chaos.settings_hurting."""

from django.apps import AppConfig


class HurtingConfig(AppConfig):
    name = "tests.chaos.hurting"

    def ready(self) -> None:
        from tests.chaos.hurting import handlers, lingering, singing, steps, toiling  # noqa: F401  they declare themselves
