"""Where the parts of a chord are counted. Nobody ever waits for a result, so nobody listens for one."""

from __future__ import annotations

from typing import Any

from celery.backends import redis


class Backend(redis.RedisBackend):
    """Named by `result_backend`.

    Celery's own subscribes to the result of every part, in whichever process sends the chord, and keeps it for ever:
    5 KB and two channels for each chord. With Redis away it tries for 20 s, and then raises a RuntimeError.
    """

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Before a part is sent."""

    def add_pending_result(self, result: Any, weak: bool = False) -> Any:
        """When the chord looks at its parts."""
        return result
