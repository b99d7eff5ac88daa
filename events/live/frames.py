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
"""Bytes after which a chunk is full. The server buffers a chunk until a slow client has read it."""
RECONNECT = (1_000, 4_000)
"""Range of the reconnection delay in milliseconds, random per client, so that clients do not all reconnect together."""


def greeting(place: int | None) -> bytes:
    """The first bytes of a stream, so that the client knows before the first event that it is connected.

    `place`: the id after which the stream starts. A client that is disconnected before its first event resumes there.
    None: the client already has an id, or would start at the beginning again.
    """
    wait = random.randint(*RECONNECT)  # noqa: S311  no secret  # nosec B311
    return b": welcome\n%sretry: %d\n\n" % (b"" if place is None else b"id: %d\n" % place, wait)


def chunk(frames: deque[bytes]) -> bytes:
    """Removes and joins the first frames until a chunk is full; at least one, if there is any."""
    taken, size = [], 0
    while frames and size < CHUNK:
        taken.append(frames.popleft())
        size += len(taken[-1])
    return b"".join(taken)


class EncodedEvent:
    """An event that is encoded once for any number of clients."""

    def __init__(self, event: StoredEvent) -> None:
        self.event = event
        self._frames: dict[int, bytes] = {}

    def frame(self, id_: int) -> bytes:
        """The frame with this id; cached, because many clients share the same id."""
        if id_ not in self._frames:
            self._frames[id_] = b"id: %d\n%s" % (id_, self._rest)
        return self._frames[id_]

    @cached_property
    def _rest(self) -> bytes:
        data = msgspec.json.encode(self.event.envelope())
        return b"event: %s\ndata: %s\n\n" % (self.event.type.encode(), data)


def read(positions: Sequence[int]) -> list[EncodedEvent]:
    """The events at these positions, in the order given."""
    events = StoredEvent.objects.in_bulk(positions)
    return [EncodedEvent(events[position]) for position in positions]
