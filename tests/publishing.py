"""What the tests of publishers share: events in the log, a consumer's count of gaps and inversions, a real process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from django.db import connection, transaction

from events.log.append import append
from orderproject.stack.processes import PROJECT
from orders.events import OrderCancelled
from publishing import services
from publishing.engine import turn
from publishing.engine.brokers import publisher
from publishing.engine.cursors import Held, claim
from publishing.engine.publisher import Publisher


def recorded(orders: Iterable[UUID], versions: Iterable[int] = (1,), reason: str = "changed-mind") -> None:
    """Events in the log, without aggregates and sagas: for each version one of each order."""
    with transaction.atomic():
        for version in versions:
            append([(OrderCancelled(order_id=id_, reason=reason, was_confirmed=False), version) for id_ in orders])


def orders(count: int) -> list[UUID]:
    return [uuid4() for _ in range(count)]


def started(name: str, since: int | None = 0) -> tuple[Publisher, Held]:
    """A publisher with its one cursor, held by this process."""
    services.start(services.plan_start(name, since), actor="test")
    (cursor,) = claim(name)
    return publisher(name), cursor


def caught_up(of: Publisher, cursor: Held) -> None:
    while turn.advance(of, cursor):
        pass


def disorder(seen: Iterable[tuple[str, int]], expected: dict[str, int]) -> dict[str, int]:
    """Counts what is wrong with (stream, version) pairs, in the order of their arrival."""
    last: dict[str, int] = {}
    found = {"gaps": 0, "inversions": 0, "duplicates": 0}
    known: set[tuple[str, int]] = set()
    for one in seen:
        if one in known:
            found["duplicates"] += 1
            continue
        known.add(one)
        stream, version = one
        found["inversions"] += version < last.get(stream, 0)
        last[stream] = max(version, last.get(stream, 0))
    found["gaps"] = sum(versions for versions in expected.values()) - len(known)
    return found


STREAMS_RUN = ("manage.py", "streams", "run")


class Process:
    """`manage.py streams run`, or another program, as a process of its own, on the database of the tests."""

    def __init__(
        self, environment: dict[str, str], log: Path | None = None, program: Sequence[str] = STREAMS_RUN
    ) -> None:
        self.environment = environment
        self.log = log
        self.program = program
        self.start()

    def start(self) -> None:
        with self.log.open("ab") if self.log else nullcontext() as output:
            self.child = subprocess.Popen(
                [sys.executable, *self.program],
                cwd=PROJECT,
                env=os.environ | {"DATABASE_URL": _url()} | self.environment,
                stdout=output,
                stderr=output,
            )

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.child.wait(10)

    def signal(self, which: signal.Signals) -> None:
        self.child.send_signal(which)

    def stop(self, seconds: float = 20.0) -> int:
        """Its return code. Raises subprocess.TimeoutExpired if it goes on for so many seconds."""
        self.signal(signal.SIGCONT)
        self.child.terminate()
        return self.child.wait(seconds)


@contextmanager
def process(environment: dict[str, str], program: Sequence[str] = STREAMS_RUN) -> Iterator[Process]:
    running = Process(environment, program=program)
    try:
        yield running
    finally:
        if running.child.poll() is None:
            running.kill()


def _url() -> str:
    """The address of this test's database, which has another name than the one of the environment."""
    name: Any = connection.settings_dict["NAME"]
    return f"{os.environ['DATABASE_URL'].rsplit('/', 1)[0]}/{name}"


def eventually(what: Callable[[], bool], within: float = 90.0) -> None:
    deadline = time.monotonic() + within
    while not what():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)
