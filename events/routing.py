"""Which queue a task goes to; a task without one is refused."""

from typing import Any

from events.errors import DeclarationError
from events.queues import Queue
from events.subscribers import subscriber

_queues: dict[str, Queue] = {}


def assign(task: str, queue: Queue) -> None:
    """Other kernels' tasks (saga steps, periodic work) say here where they go."""
    _queues[task] = queue


def route(name: str, args: Any, kwargs: Any, options: Any, task: Any = None, **_: Any) -> dict[str, str] | None:
    """Celery's router. Raises DeclarationError for a task that nobody gave a queue."""
    if name.startswith("celery."):
        return None
    queue = _queues.get(name)
    if queue is None:
        listening = subscriber(name)
        if listening is None:
            raise DeclarationError(f"no queue is declared for the task {name}: see events.routing.assign")
        queue = listening.queue
    return {"queue": str(queue)}
