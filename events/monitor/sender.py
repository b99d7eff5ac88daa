"""Sends events to Flower in batches, once a second, from a background thread.

Celery publishes an event after each message, before the sender goes on. That is a second round trip to the broker per
message, and it wakes Flower just when the work needs the cores.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import structlog
from celery.events import Event
from celery.utils.time import utcoffset
from kombu import Producer

from events.monitor import pieces
from events.monitor.pieces import Carrier, Piece
from events.monitor.subjects import Subjects

log = structlog.get_logger(__name__)

EVERY = 1.0
"""Seconds between two batches."""
BATCH = 200
"""Events per message."""
MAX_BUFFERED = 10_000
"""Pieces that are buffered while the broker is unreachable. The oldest are dropped; they are for monitoring only."""
LONG = 1.0
"""Seconds after which a message that is still being worked on is shown as started."""
HEARTBEAT = 10.0
"""Seconds between two signs of life of a node that is no Celery worker, such as a relay."""
LAST = 0.5
"""Seconds that a process which stops waits for its last batch."""

Fields = dict[str, Any]


class Sender:
    """Buffers pieces of work and sends their events; one per process. Its thread sleeps while there is nothing to do.

    `beats`: this process is no Celery worker, so it also says that it is alive.
    """

    def __init__(self, app: Any, node: str, *, beats: bool = False) -> None:
        self.app, self.node, self.beats = app, node, beats
        self.dropped = 0
        self._waiting: deque[Piece] = deque()
        self._unsent: deque[Fields] = deque(maxlen=2 * MAX_BUFFERED)
        self._not_empty = threading.Event()
        self._stopping = threading.Event()
        self._subjects = Subjects()
        self._producer: Any = None
        self._beaten = 0.0
        self._thread: threading.Thread | None = None
        self._pid = 0

    def add(self, piece: Piece) -> None:
        if len(self._waiting) >= MAX_BUFFERED:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(piece)
        self.wake()

    def wake(self) -> None:
        """There is something to do. A forked process starts its own thread."""
        if self._pid != os.getpid():
            self._start()
        if not self._not_empty.is_set():
            self._not_empty.set()

    def stop(self) -> None:
        """Sends what is left, as far as the broker takes it within `LAST` seconds."""
        self._stopping.set()
        self._not_empty.set()
        if self._thread is not None and self._pid == os.getpid():
            self._thread.join(LAST)

    def _start(self) -> None:
        self._pid = os.getpid()
        self._producer = None
        self._thread = threading.Thread(target=self._run, name="flower-events", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            self._not_empty.wait(HEARTBEAT if self.beats else None)
            stopping = self._stopping.wait(EVERY)
            self._not_empty.clear()
            try:
                self._turn()
            except Exception as error:  # noqa: BLE001  any error must leave the thread running
                log.warning("events for Flower not made", error=str(error))

    def _turn(self) -> None:
        self._unsent.extend(self._events_of(self._taken()))
        self._unsent.extend(self._events_of_long())
        if self.beats and time.monotonic() - self._beaten > HEARTBEAT:
            self._beaten = time.monotonic()
            self._unsent.append(self._event("worker-heartbeat", freq=2 * HEARTBEAT, active=0, sw_ident="orderproject"))
        while batch := [self._unsent.popleft() for _ in range(min(BATCH, len(self._unsent)))]:
            if not (self._publish(batch) or self._publish(batch)):  # the first failure may be a stale connection
                self._unsent.extendleft(reversed(batch))
                self._not_empty.set()
                return
        if self.dropped:
            log.warning("events for Flower dropped: the broker did not take them in time", pieces=self.dropped)
            self.dropped = 0
        if pieces.running:
            self._not_empty.set()

    def _taken(self) -> list[Piece]:
        """As many as may wait for the broker; the others wait here."""
        room = max(0, MAX_BUFFERED - len(self._unsent) // 2)
        return [self._waiting.popleft() for _ in range(min(room, len(self._waiting)))]

    def _events_of(self, taken: Sequence[Piece]) -> Iterable[Fields]:
        self._subjects.look_up({subject for piece in taken for subject in piece.subjects})
        for piece in taken:
            yield self._received(piece)
            yield self._ended(piece)

    def _received(self, piece: Piece) -> Fields:
        names = [self._subjects.name(subject) for subject in piece.subjects]
        if piece.count > len(names):
            names.append(f"and {piece.count - len(names)} more")
        about = {"kind": str(piece.kind)}
        root = self._subjects.address(piece.subjects[0]) if piece.count == 1 else None
        return self._event(
            "task-received", timestamp=piece.began, uuid=piece.id, name=piece.name, args=repr(tuple(names)),
            kwargs=repr(about), retries=piece.retries, root_id=root or piece.root,
            parent_id=piece.parent, started=piece.began,
        )  # fmt: skip

    def _ended(self, piece: Piece) -> Fields:
        fields: Fields = {"timestamp": piece.ended, "uuid": piece.id, "started": piece.began}
        if piece.problem is None:
            fields |= {"result": piece.result, "runtime": max(0.0, piece.ended - piece.began)}
        else:
            fields |= {"exception": piece.problem.text, "traceback": piece.problem.traceback}
        return self._event(str(piece.outcome), **fields)

    def _events_of_long(self) -> Iterable[Fields]:
        """Those messages whose work takes long are shown before it ends."""
        for carrier in [one for one in tuple(pieces.running) if not one.shown and time.time() - one.began > LONG]:
            carrier.shown = True
            yield from self._started(carrier)

    def _started(self, carrier: Carrier) -> Iterable[Fields]:
        about = {"kind": str(pieces.Kind.MESSAGE)}
        yield self._event(
            "task-received", timestamp=carrier.began, uuid=carrier.id, name=carrier.name, args="()",
            kwargs=repr(about), retries=0, root_id=carrier.root, parent_id=None,
        )  # fmt: skip
        yield self._event("task-started", timestamp=carrier.began, uuid=carrier.id)

    def _event(self, type_: str, **fields: Any) -> Fields:
        made: Fields = Event(
            type_, hostname=self.node, utcoffset=utcoffset(), pid=self._pid, clock=self.app.clock.forward(), **fields
        )
        return made

    def _publish(self, batch: list[Fields]) -> bool:
        try:
            producer: Any = self._producer or self._connected()
            self._producer = producer
            producer.publish(
                batch,
                routing_key="task.multi",
                declare=[producer.exchange],
                headers={"hostname": self.node},
                delivery_mode=1,
            )
        except Exception as error:  # noqa: BLE001  any error must leave the thread running
            log.debug("events for Flower not sent; retrying", error=str(error))
            if self._producer:
                self._producer.connection.collect()  # dropped, not closed: the broker may never reply to a close
            self._producer = None
            return False
        return True

    def _connected(self) -> Producer:
        """A producer on its own connection, without publisher confirms."""
        connection: Any = self.app.connection_for_write()
        connection.transport_options.pop("confirm_publish", None)
        exchange = self.app.events.Dispatcher(connection, enabled=False).exchange
        return Producer(connection, exchange=exchange, serializer=self.app.conf.event_serializer)


def tell_flower(app: Any, name: str = "", *, node: str = "") -> Sender:
    """This process tells Flower what it does, as a Celery worker's `node` or, as what it is called, by its `name`."""
    sender = Sender(app, node or f"{name}@{socket.gethostname()}", beats=not node)
    pieces.tell_to(sender)
    return sender
