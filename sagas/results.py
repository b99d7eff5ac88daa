"""The result backend: it counts the parts of the sagas' chords, and is Celery's own for every other task.

A saga's outcome is in its rows, so its parts keep no result. Any other task keeps one if it asks for it with
`ignore_result=False`: `AsyncResult.get()`, `group` and `chord` then work as Celery documents them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, cast

import structlog
from celery import Celery
from celery.backends import redis
from celery.utils import uuid

from events.declare.queues import Queue, served_here
from events.delivery.broker import AWAY

LIGHT_LOAD_RUNS = 50
"""Runs that are worth a message, so that another worker can take them."""
COUNT = Path(__file__).with_name("count_part.lua")
COUNTED = "counted"
"""The mark in the body of a chord that `send_chord` sent: its parts are counted here. No chord of Celery's has it."""
log = structlog.get_logger(__name__)


class Body(NamedTuple):
    """The task that follows when all parts of a chord have ended. It takes none of their results."""

    task: str
    args: Sequence[Any]
    queue: Queue


def send_chord(app: Celery, parts: Sequence[tuple[str, Sequence[Any]]], body: Body) -> None:
    """Sends the parts, (task, arguments) each; on the wire, and to workers, it is Celery's own chord.

    `celery.chord` copies, freezes and walks its parts as for one that is nested; that took three times as long as
    the sending, and every order waits for it. Raises what the broker's client raises when the broker is unreachable.
    """
    last = app.signature(body.task, args=body.args, immutable=True, queue=str(body.queue), task_id=uuid())
    last["chord_size"] = len(parts)
    last[COUNTED] = True
    shared = {"group_id": uuid(), "chord": cast("Any", last), "ignore_result": True, "add_to_parent": False}
    for index, (task, args) in enumerate(parts):
        app.send_task(task, args=args, group_index=index, **shared)


class Backend(redis.RedisBackend):
    """Named by `result_backend`. Celery's Redis backend, with a shorter way for the chords that `send_chord` sent.

    Their body takes no results. Celery's own way would keep the result of every part for an hour, subscribe to it in
    the process that sends the chord, and take six round trips from the end of the last part to the body, for which
    every order waits. The shorter way is one round trip for each part (`count_part.lua`).
    """

    app: Any
    expires: int

    def on_chord_part_return(
        self, request: Any, state: str, result: Any, propagate: bool | None = None, **options: Any
    ) -> None:
        """A part of a chord has ended, well or not."""
        if request.chord.get(COUNTED):
            self._on_counted_part(request)
        else:
            super().on_chord_part_return(request, state, result, propagate, **options)

    def _on_counted_part(self, request: Any) -> None:
        """The last part sends the body. If that fails after counting, the sweep asks for these runs again."""
        body = request.chord
        try:
            if self._count(request.group, request.id, body["chord_size"]) and not self._run_here(body):
                options = {**body["options"], "ignore_result": True, "add_to_parent": False}
                self.app.send_task(body["task"], args=body["args"], **options)
        except AWAY as error:
            log.warning("chord not counted; the sweep will ask again", group=request.group, error=str(error))

    def _run_here(self, body: Any) -> bool:
        """Runs the body for few, where this worker serves its queue: a message would cost more than its work.

        False where that is not so, or it failed: then it is sent. Rows decide, so it may begin twice.
        """
        (run_ids,) = body["args"]
        if body["options"]["queue"] not in served_here() or len(run_ids) > LIGHT_LOAD_RUNS:
            return False
        try:
            self.app.tasks[body["task"]](run_ids)
        except Exception as error:  # noqa: BLE001  whatever it is, the runs must go on
            log.warning("body failed in this worker; sending it", task=body["task"], error=str(error))
            return False
        return True

    def _count(self, group: str, part: str, parts: int) -> bool:
        """Whether it was the last of so many. One that comes twice counts once; not at all when the chord is over."""
        key = self.get_key_for_group(group)
        return bool(self._script(keys=[key], args=[part, parts, self.expires], client=self.client))

    @cached_property
    def _script(self) -> Any:
        return self.client.register_script(COUNT.read_text())
