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

    def setup_schedule(self) -> None:
        super().setup_schedule()
        livez.serve("beat")

    def tick(self, *args: Any, **options: Any) -> Any:
        beat("beat")
        return super().tick(*args, **options)
