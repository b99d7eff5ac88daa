"""The lending service as a Django application."""

from desk.service import ServiceConfig, Work
from lending.events import LENDING


class LendingConfig(ServiceConfig):
    name = "lending"
    queues = {LENDING: Work.DATABASE}

    def ready(self) -> None:
        from lending import sagas  # noqa: F401  importing it declares the saga and its steps
