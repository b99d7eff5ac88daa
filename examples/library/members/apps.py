"""The members service as a Django application."""

from desk.service import ServiceConfig, Work
from members.events import MEMBERS


class MembersConfig(ServiceConfig):
    name = "members"
    queues = {MEMBERS: Work.DATABASE}

    def ready(self) -> None:
        from members import steps, subscribers  # noqa: F401  importing them declares them
