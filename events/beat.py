"""Beat's scheduler, which gives a sign of life at every tick."""

from typing import Any

from celery.beat import PersistentScheduler

from events import livez
from events.heartbeat import beat


class Scheduler(PersistentScheduler):
    """Set as `beat_scheduler`."""

    # Celery's own keeps one channel for good, which nobody opens again after RabbitMQ was away, for publishes are not
    # retried here. Without it each message takes a channel from the pool, as everywhere else.
    producer: Any = None

    def adjust(self, n: float, drift: float = 0.0) -> float:
        """Celery's own wakes up 10 ms before a task is due, and asks without pause until it is: half a percent of a
        core, and always in the way of somebody's order.
        """
        return n + drift

    def setup_schedule(self) -> None:
        super().setup_schedule()
        livez.serve("beat")

    def tick(self, *args: Any, **options: Any) -> Any:
        beat("beat")
        return super().tick(*args, **options)
