"""One function per fault. Each hurts once and returns when the fault has ended."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import suppress

import psutil
import redis

from orderproject.stack.processes import Process
from tests.chaos.beside import FORKING, forking_worker, second_beat, second_relay
from tests.chaos.live import Live

FROZEN = 10.0
"""Seconds of a freeze."""
TAKEOVER = 5.0
"""Seconds within which a second relay must have taken over."""
BROKERS = ("valkey", "rabbitmq")


def _kill(name: str, number: int = signal.SIGKILL) -> Callable[[Live], None]:
    def fault(live: Live) -> None:
        live.process(name).send_signal(number)

    return fault


def _freeze(name: str, seconds: float) -> Callable[[Live], None]:
    def fault(live: Live) -> None:
        process = live.process(name)
        process.suspend()
        time.sleep(seconds)
        process.resume()

    return fault


def _kill_web_worker(live: Live) -> None:
    live.web_worker().kill()


def _flush(live: Live) -> None:
    redis.Redis.from_url(live.environment["REDIS_URL"]).flushall()


def _gateway_acts_and_hangs(live: Live) -> None:
    live.post("/control/act-then-hang", '{"on": true}')
    time.sleep(2)
    live.post("/control/act-then-hang", '{"on": false}')


def _gateway_outage(live: Live) -> None:
    live.post("/control/outage", '{"on": true}')
    time.sleep(2)
    live.post("/control/outage", '{"on": false}')


def _relay_taken_over(live: Live) -> None:
    """The dead one stays dead until the other one has shown what it can, by an order that is placed right now."""
    with live.beside(second_relay), live.unattended():
        live.process("relay").kill()
        began = time.monotonic()
        order = live.customers.buy()
        # The second copy of a chord's part may end the chord before the first has done its work: the sweep goes on.
        while not (_begun(order) if live.doubled else live.customers.status(order) == "confirmed"):
            assert time.monotonic() - began < TAKEOVER, f"order {order} was not through {TAKEOVER:g} s after the kill"
            time.sleep(0.02)
        live.takeovers.append(time.monotonic() - began)


def _begun(order: str) -> bool:
    from sagas.models import SagaRun

    return SagaRun.objects.filter(subject=order).exists()


def _second_beat(live: Live) -> None:
    with live.beside(second_beat) as beat:
        deadline = time.monotonic() + 30
        while beat.output().count("(sagas.sweep)") < 5:
            assert time.monotonic() < deadline, "the second beat does not beat"
            time.sleep(0.1)


def _kill_forked_child(live: Live) -> None:
    """A worker that forks serves beside the stack's own; one of its children dies in mid-task, the others go on."""
    with live.beside(forking_worker) as worker:
        live.post("/control/latency", '{"ms": 300}')
        try:
            deadline = time.monotonic() + 60
            while "WorkerLostError" not in worker.output():
                assert time.monotonic() < deadline, "no child of the forking worker was ever at work"
                live.customers.buy()
                _kill_busy_child(worker)
        finally:
            live.post("/control/latency", '{"ms": 0}')


def _kill_busy_child(worker: Process) -> None:
    from events.delivery.broker import AWAY
    from orderproject.celery import app

    with suppress(*AWAY):  # the pool's connection may be from before another fault; the next one is not
        active = app.control.inspect([FORKING], timeout=1, limit=1).active() or {}
        if tasks := active.get(FORKING):
            psutil.Process(tasks[0]["worker_pid"]).kill()
            time.sleep(1)  # until it is missed, and replaced
    assert worker.running, "the forking worker ended with its child"


def _restart_rabbitmq(live: Live) -> None:
    live.rabbitmq.restart()


def _kill_rabbitmq(live: Live) -> None:
    live.rabbitmq.kill()


def _purge_rabbitmq(_: Live) -> None:
    """What FLUSHALL is to Valkey."""
    from orderproject.celery import app

    with app.connection_for_write() as connection:  # not the pool's, which may be from before a restart
        app.control.purge(connection)


def _nothing(live: Live) -> None:
    """Load without a fault: the measure of the others."""


NONE = "none"
FAULTS: dict[str, Callable[[Live], None]] = {
    NONE: _nothing,
    "kill worker-core": _kill("worker-core"),
    "kill worker-calls": _kill("worker-calls"),
    "kill worker-network": _kill("worker-network"),
    "kill a forked worker's child": _kill_forked_child,
    "kill relay": _kill("relay"),
    "kill relay, a second takes over": _relay_taken_over,
    "kill web in mid-request": _kill("web"),
    "kill front": _kill("front"),
    "kill a web worker": _kill_web_worker,
    "kill beat": _kill("beat"),
    "two beats": _second_beat,
    "kill sandbox": _kill("sandbox"),
    "kill valkey": _kill("valkey"),
    "flush valkey": _flush,
    "freeze valkey": _freeze("valkey", FROZEN),
    "restart postgres, fast": _kill("postgres", signal.SIGINT),
    "restart postgres, immediate": _kill("postgres", signal.SIGQUIT),
    "freeze worker-core": _freeze("worker-core", FROZEN),
    "freeze worker-calls": _freeze("worker-calls", FROZEN),
    "freeze worker-network": _freeze("worker-network", FROZEN),
    "freeze relay beyond its lease": _freeze("relay", FROZEN + 2),
    "gateway acts and hangs": _gateway_acts_and_hangs,
    "gateway outage": _gateway_outage,
}
OF_RABBITMQ: dict[str, Callable[[Live], None]] = {
    "restart rabbitmq": _restart_rabbitmq,
    "kill rabbitmq": _kill_rabbitmq,
    "purge rabbitmq": _purge_rabbitmq,
}


def faults(broker: str) -> dict[str, Callable[[Live], None]]:
    """Those that a stack over this broker can suffer; Valkey is there beside RabbitMQ too."""
    return {**FAULTS, **OF_RABBITMQ} if broker == "rabbitmq" else FAULTS
