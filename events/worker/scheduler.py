"""Beat's scheduler, with a heartbeat on every tick."""

from typing import Any

from celery.beat import PersistentScheduler

from events.liveness.heartbeat import touch
from events.metrics import process


class Scheduler(PersistentScheduler):
    """Set as Celery's `beat_scheduler`."""

    # Celery's scheduler keeps one channel and never reopens it after RabbitMQ was down, because publishes are not
    # retried here. Without a producer of its own, each message takes a channel from the pool.
    producer: Any = None

    def adjust(self, n: float, drift: float = 0.0) -> float:
        """Celery's own wakes up 10 ms before a task is due, and asks without pause until it is: half a percent of a
        core, and always in the way of other work.
        """
        return n + drift

    def setup_schedule(self) -> None:
        process.start("beat")
        super().setup_schedule()

    def tick(self, *args: Any, **options: Any) -> Any:
        touch("beat")
        return super().tick(*args, **options)
