"""One function per fault. Each hurts once and returns when the fault has ended."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import redis

from tests.chaos.live import Live

FROZEN = 10.0
"""Seconds of a freeze."""


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


def _nothing(live: Live) -> None:
    """Load without a fault: the measure of the others."""


FAULTS: dict[str, Callable[[Live], None]] = {
    "none": _nothing,
    "kill worker-core": _kill("worker-core"),
    "kill worker-network": _kill("worker-network"),
    "kill relay": _kill("relay"),
    "kill web in mid-request": _kill("web"),
    "kill a web worker": _kill_web_worker,
    "kill beat": _kill("beat"),
    "kill sandbox": _kill("sandbox"),
    "kill valkey": _kill("valkey"),
    "flush valkey": _flush,
    "freeze valkey": _freeze("valkey", FROZEN),
    "restart postgres, fast": _kill("postgres", signal.SIGINT),
    "restart postgres, immediate": _kill("postgres", signal.SIGQUIT),
    "freeze worker-core": _freeze("worker-core", FROZEN),
    "freeze worker-network": _freeze("worker-network", FROZEN),
    "freeze relay beyond its lease": _freeze("relay", FROZEN + 2),
    "gateway acts and hangs": _gateway_acts_and_hangs,
    "gateway outage": _gateway_outage,
}
