"""The format of server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html."""

import random
from collections import deque
from collections.abc import Sequence
from functools import cached_property

import msgspec

from events.models import StoredEvent

COMMENT = b": still here\n\n"
CONTENT_TYPE = "text/event-stream"
CHUNK = 64 * 1024
"""Bytes after which no further frame is sent along: what a slow client has not taken, the server keeps."""
RECONNECT = (1_000, 4_000)
"""Milliseconds after which a client comes back: each is told its own, so that not all come at once."""


def greeting(place: int | None) -> bytes:
    """The first bytes, so that the client knows that it is heard before anything happens.

    `place` is the id behind which it begins: one that is cut off before its first event comes back with that. None:
    the client knows it, or begins at the beginning again.
    """
    wait = random.randint(*RECONNECT)  # noqa: S311  no secret  # nosec B311
    return b": welcome\n%sretry: %d\n\n" % (b"" if place is None else b"id: %d\n" % place, wait)


def chunk(frames: deque[bytes]) -> bytes:
    """Takes the first ones that together make a chunk; at least one, if there is any."""
    taken, size = [], 0
    while frames and size < CHUNK:
        taken.append(frames.popleft())
        size += len(taken[-1])
    return b"".join(taken)


class Told:
    """An event on its way to any number of clients, encoded once."""

    def __init__(self, event: StoredEvent) -> None:
        self.event = event
        self._frames: dict[int, bytes] = {}

    def frame(self, id_: int) -> bytes:
        """Also `id_` is the same for many clients."""
        if id_ not in self._frames:
            self._frames[id_] = b"id: %d\n%s" % (id_, self._rest)
        return self._frames[id_]

    @cached_property
    def _rest(self) -> bytes:
        data = msgspec.json.encode(self.event.envelope())
        return b"event: %s\ndata: %s\n\n" % (self.event.type.encode(), data)


def read(positions: Sequence[int]) -> list[Told]:
    """Those events, in the order given."""
    events = StoredEvent.objects.in_bulk(positions)
    return [Told(events[position]) for position in positions]
