"""Starts every process of the stack's table over the servers of the benchmark, with production's settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from orderproject.stack.deployment import Deployment
from orderproject.stack.errors import ProcessFailed
from orderproject.stack.ports import free_port
from orderproject.stack.processes import Process, how_it_ended
from orderproject.stack.table import preparation, waves

READY_WITHIN = 120.0
SECRET_KEY = "only-for-the-benchmark-" + "0" * 50
MAIL = "memorymail://"
INSTANT = "inprocess:bench.ours.gateway.InstantGateway"


def deployment(folder: Path, database_url: str, redis_url: str, *, environment: str = "production") -> Deployment:
    return Deployment(
        data=folder,
        database_url=database_url,
        broker_url=redis_url,
        redis_url=redis_url,
        secret_key=SECRET_KEY,
        port=free_port(),
        sandbox_port=free_port(),
        flower_port=free_port(),
        environment=environment,
    )


def variables(at: Deployment, gateway: str) -> dict[str, str]:
    """Production's, but for what every contender has alike: no network to the gateway, no mail server.

    The limit is out of one client's reach, yet every request is counted.
    """
    return {
        **at.variables(),
        "PAYMENT_GATEWAY_URL": at.sandbox_url if gateway == "http" else INSTANT,
        "MAIL_DIR": "",
        "EMAIL_URL": MAIL,
        "RATE_LIMIT": "100000000",
    }


def make_schema(at: Deployment) -> None:
    """With the seeded users, which production itself refuses. Raises ProcessFailed."""
    process = Process(preparation(replace(at, environment="stack")), at.logs / "prepare.log")
    process.start()
    finished = process.wait(READY_WITHIN)
    process.kill()
    if not finished or process.returncode != 0:
        raise ProcessFailed(process.story(how_it_ended(process.returncode)))


@contextmanager
def started(at: Deployment, gateway: str) -> Iterator[dict[str, Process]]:
    """All processes, ready, by name; the sandbox only where it is asked. Raises ProcessFailed."""
    environment = variables(at, gateway)
    specs = [
        replace(spec, env={**(spec.env or {}), **environment})
        for wave in waves(at)
        for spec in wave
        if spec.name != "sandbox" or gateway == "http"
    ]
    processes = {spec.name: Process(spec, at.logs / f"{spec.name}.log") for spec in specs}
    try:
        for process in processes.values():
            process.start()
        for process in processes.values():
            process.wait_ready(READY_WITHIN)
        yield processes
    finally:
        for process in reversed(processes.values()):
            process.terminate()
        for process in reversed(processes.values()):
            process.wait(process.spec.stop_timeout)
            process.kill()
