"""Faults one after the other while events are appended; then everything comes to rest and is counted."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

from publishing import services
from publishing.engine import brokers
from publishing.models import Cursor
from tests.chaos.wires.counting import at_rest, counted, waiting
from tests.chaos.wires.faults import FAULTS, LEASE, Hurt
from tests.chaos.wires.load import Load
from tests.chaos.wires.report import Report
from tests.chaos.wires.wire import Wire
from tests.publishing import Process

PAUSE = 0.5
"""Seconds at most for which the publisher works before the next fault."""
RECOVERY = 20.0
"""Seconds at most that a fault waits for the publisher to work again after the one before."""
REST_WITHIN = 180.0
STOPS_WITHIN = 60.0


def run(wire: Wire, faults: list[str], seed: int, folder: Path, tell: Callable[[str], None]) -> Report:
    report, began = Report(), time.monotonic()
    brokers.create(wire.name, dry_run=False)
    wire.prepare()
    services.start(services.plan_start(wire.name, 0), actor="test")
    with _two_publishers(wire, folder, report) as publishers, Load(seed):
        _wait(lambda: Cursor.objects.get().position > 0)
        with suppress(KeyboardInterrupt):  # what has happened until then is counted
            _hurt(Hurt(wire, publishers, Random(seed)), faults, report, tell)
    report.seconds = time.monotonic() - began
    counted(wire, report)
    return report


def _hurt(hurt: Hurt, faults: list[str], report: Report, tell: Callable[[str], None]) -> None:
    lease = Cursor.objects.get().lease
    for number, name in enumerate(faults, start=1):
        time.sleep(hurt.chance.random() * PAUSE)
        began = time.monotonic()
        try:
            FAULTS[name](hurt)
        except Exception as error:  # noqa: BLE001  whatever it is, the report must tell of it
            report.problems.append(f"{number} {name}: {error!r}")
        ended, stood = time.monotonic(), Cursor.objects.get().position
        recovered = _wait(lambda stood=stood: Cursor.objects.get().position > stood, RECOVERY)  # type: ignore[misc]
        recovery, now = time.monotonic() - ended, Cursor.objects.get().lease
        report.takeovers += now is not None and now != lease
        lease = now or lease
        report.recoveries.setdefault(name, []).append(recovery)
        tell(
            f"{number} {name}: {ended - began:.1f} s,"
            f" {'published again' if recovered else 'nothing published'} after {recovery:.1f} s"
        )


@contextmanager
def _two_publishers(wire: Wire, folder: Path, report: Report) -> Iterator[tuple[Process, Process]]:
    """Until they have published everything, after the block, and have ended as they should."""
    environment = wire.environment | {"STREAMS_LEASE": f"{LEASE:g}"}
    first, second = (Process(environment, folder / f"publisher-{number}.log") for number in (1, 2))
    try:
        yield first, second
        if not _wait(at_rest):
            report.problems.append(f"{waiting()} events still wait after {REST_WITHIN:g} s")
        report.problems += [problem for one in (first, second) if (problem := _stopped(one))]
    finally:
        for one in (first, second):
            one.kill()


def _stopped(one: Process) -> str:
    """What is wrong with how it ended."""
    try:
        code = one.stop(STOPS_WITHIN)
    except subprocess.TimeoutExpired:
        return f"publisher {one.child.pid} went on for {STOPS_WITHIN:g} s after SIGTERM"
    return f"publisher {one.child.pid} ended with {code}" if code else ""


def _wait(until: Callable[[], bool], seconds: float = REST_WITHIN) -> bool:
    deadline = time.monotonic() + seconds
    while not until():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
