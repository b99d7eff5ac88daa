"""Where the parts of a chord are counted. Nobody waits for a result, so none is kept, and nobody listens for one."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import structlog
from celery.backends import redis
from celery.canvas import Signature

from events.broker import AWAY

COUNT = Path(__file__).with_name("count_part.lua")
log = structlog.get_logger(__name__)


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

    def apply_chord(self, header_result_args: Any, body: Any, **options: Any) -> None:
        """Before its parts are sent; Celery's own keeps the shape of their results."""

    def set_chord_size(self, group_id: str, chord_size: int) -> None:
        """Before the last part is sent."""
        self.client.set(self.get_key_for_group(group_id, ".s"), chord_size, ex=self.expires)

    def on_chord_part_return(
        self, request: Any, state: str, result: Any, propagate: bool | None = None, **options: Any
    ) -> None:
        """A part has ended. A body that is counted and then not sent is made up for by the sweep."""
        if not (request.id and request.group):
            return
        try:
            if self._count(request.group, request.id):
                Signature.from_dict(request.chord, app=self.app).delay()
        except AWAY as error:
            log.warning("chord not counted; the sweep will ask again", group=request.group, error=str(error))

    def _count(self, group: str, part: str) -> bool:
        """Whether it was the last one. One that comes twice counts once, and not at all when the chord is over."""
        keys = [self.get_key_for_group(group, ".d"), self.get_key_for_group(group, ".s")]
        return bool(self._script(keys=keys, args=[part, self.expires], client=self.client))

    @cached_property
    def _script(self) -> Any:
        return self.client.register_script(COUNT.read_text())
