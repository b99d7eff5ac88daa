"""Routes tasks to queues. A task without a queue is refused."""

from typing import Any

from events.declare.queues import Queue
from events.errors import DeclarationError

_queues: dict[str, Queue] = {}


def assign(task: str, queue: Queue) -> None:
    """Assigns a task to a queue. Subscribers and saga steps are assigned automatically; call it for any other task."""
    _queues[task] = queue


def route(name: str, args: Any, kwargs: Any, options: Any, task: Any = None, **_: Any) -> dict[str, str] | None:
    """Celery's router. Raises DeclarationError for a task without a queue.

    `queue=` of Celery's own, where a task is declared or sent, counts too.
    """
    if name.startswith("celery.") or options.get("queue"):
        return None
    queue = _queues.get(name)
    if queue is None:
        raise DeclarationError(f"no queue is declared for the task {name}: see events.declare.routing.assign")
    return {"queue": str(queue)}
