"""The kernel of events as a Django application."""

from kombu.transport import TRANSPORT_ALIASES

from desk.service import PeriodicTask, ServiceConfig, SidebarLink, SidebarSection, Work
from events.declare.queues import STREAMS
from events.worker import amqp_transport

TRANSPORT = "events.worker.redis_transport:Transport"


class EventsConfig(ServiceConfig):
    name = "events"
    queues = {STREAMS: Work.DATABASE}
    sidebar = (
        SidebarSection(
            "Events & deliveries",
            (
                SidebarLink("Stored events", "history", "storedevent"),
                SidebarLink("Deliveries", "send", "delivery", badge="events.dead_letters.badge.dead_badge"),
                SidebarLink("Dead messages", "unsubscribe", "deadmessage"),
                SidebarLink("Replays", "replay", "replay"),
                SidebarLink("Breakers", "electrical_services", "breaker"),
            ),
            position=100,
        ),
    )
    readable = ("storedevent", "delivery", "breaker", "deadmessage", "replay")
    permissions = {
        "operators": (
            "retry_delivery", "edit_delivery", "discard_delivery", "replay", "force_breaker", "retry_deadmessage",
            "discard_deadmessage", "view_flower",
        ),
        "auditors": ("view_flower",),
    }  # fmt: skip
    periodic_tasks = (
        PeriodicTask("go on with replays", "events.replay", every=5.0, expires=5),
        PeriodicTask("forget deliveries", "events.prune", every=60.0, expires=60),
    )

    personal_data = "events.personal_data.Log"

    def ready(self) -> None:
        TRANSPORT_ALIASES.update(redis=TRANSPORT, rediss=TRANSPORT)
        amqp_transport.install()
        from events import checks, setting_checks, tasks  # noqa: F401  importing them registers them
        from events.delivery import outbox  # noqa: F401  importing it connects it to the signal
        from events.log import tally  # noqa: F401  importing it makes processes that count also count the log
