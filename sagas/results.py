"""Where the parts of a chord are counted. Nobody waits for a result, so none is kept, and nobody listens for one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, cast

import structlog
from celery import Celery
from celery.backends import redis
from celery.utils import uuid

from events.broker import AWAY
from events.queues import Queue, served_here

MANY = 50
"""Runs that are worth a message, so that another worker can take them."""
COUNT = Path(__file__).with_name("count_part.lua")
log = structlog.get_logger(__name__)


class Body(NamedTuple):
    """The task that follows when all parts of a chord have ended. It takes none of their results."""

    task: str
    args: Sequence[Any]
    queue: Queue


def send_chord(app: Celery, parts: Sequence[tuple[str, Sequence[Any]]], body: Body) -> None:
    """Sends the parts, (task, arguments) each; on the wire, and to workers, it is Celery's own chord.

    `celery.chord` copies, freezes and walks its parts as for one that is nested; that took three times as long as
    the sending, and every order waits for it. Raises what the broker's client raises when the broker is away.
    """
    last = app.signature(body.task, args=body.args, immutable=True, queue=str(body.queue), task_id=uuid())
    last["chord_size"] = len(parts)
    group = uuid()
    for index, (task, args) in enumerate(parts):
        app.send_task(task, args=args, group_id=group, group_index=index, chord=cast("Any", last), add_to_parent=False)


class Backend(redis.RedisBackend):
    """Named by `result_backend`. For chords whose body takes no results: it is sent when all parts have ended.

    Celery's own keeps the result of every part for an hour, and takes six round trips from the end of the last one to
    the body, which every order waits for. It subscribes to these results, too, in whichever process sends the chord,
    and keeps that for ever. With Redis away it tries for 20 s, and then raises a RuntimeError.
    """

    app: Any
    expires: int

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Before a part is sent."""

    def add_pending_result(self, result: Any, weak: bool = False) -> Any:
        """When the chord looks at its parts."""
        return result

    def store_result(self, task_id: str, result: Any, state: str, *args: Any, **options: Any) -> Any:
        """When a part has ended, well or not."""
        return result

    def on_chord_part_return(
        self, request: Any, state: str, result: Any, propagate: bool | None = None, **options: Any
    ) -> None:
        """A part has ended. A body that is counted and then not sent is made up for by the sweep."""
        body = request.chord
        if not (request.id and request.group and body.get("chord_size")):
            return
        try:
            if self._count(request.group, request.id, body["chord_size"]) and not self._run_here(body):
                self.app.send_task(body["task"], args=body["args"], add_to_parent=False, **body["options"])
        except AWAY as error:
            log.warning("chord not counted; the sweep will ask again", group=request.group, error=str(error))

    def _run_here(self, body: Any) -> bool:
        """Runs the body for few, where this worker serves its queue: a message would cost more than its work.

        False where that is not so, or it failed: then it is sent. Rows decide, so it may begin twice.
        """
        (run_ids,) = body["args"]
        if body["options"]["queue"] not in served_here() or len(run_ids) > MANY:
            return False
        try:
            self.app.tasks[body["task"]](run_ids)
        except Exception as error:  # noqa: BLE001  whatever it is, the runs must go on
            log.warning("body not run at once, but sent", task=body["task"], error=str(error))
            return False
        return True

    def _count(self, group: str, part: str, parts: int) -> bool:
        """Whether it was the last of so many. One that comes twice counts once; not at all when the chord is over."""
        key = self.get_key_for_group(group)
        return bool(self._script(keys=[key], args=[part, parts, self.expires], client=self.client))

    @cached_property
    def _script(self) -> Any:
        return self.client.register_script(COUNT.read_text())
