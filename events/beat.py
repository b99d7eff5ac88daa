"""Beat's scheduler, which gives a sign of life at every tick."""

from typing import Any

from celery.beat import PersistentScheduler

from events.heartbeat import beat


class Scheduler(PersistentScheduler):
    """Set as `beat_scheduler`."""

    def tick(self, *args: Any, **options: Any) -> Any:
        beat("beat")
        return super().tick(*args, **options)
