"""Events that are appended to the log all the time, of some hundred streams at a time."""

from __future__ import annotations

import threading
from random import Random
from uuid import uuid4

from django.db import connections, transaction

from events.log.append import append
from orders.events import OrderCancelled

STREAMS = 200
"""That grow at the same time."""
LONGEST = 20
"""Events of one stream."""
AT_ONCE = 15
EVERY = 0.1
"""Seconds between two transactions."""


class Load:
    """Use as a context manager: it appends until the block ends. `appended` counts events."""

    def __init__(self, seed: int) -> None:
        self.appended = 0
        self._chance = Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load")

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        versions = {uuid4(): 0 for _ in range(STREAMS)}
        while not self._stop.wait(EVERY):
            batch = []
            for order in self._chance.sample(list(versions), AT_ONCE):
                versions[order] += 1
                cancelled = OrderCancelled(order_id=order, reason="changed-mind", was_confirmed=False)
                batch.append((cancelled, versions[order]))
                if versions[order] == LONGEST:
                    del versions[order]
                    versions[uuid4()] = 0
            with transaction.atomic():
                append(batch)
            self.appended += len(batch)
        connections.close_all()
