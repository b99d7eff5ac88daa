"""Starts all processes of the stack on the benchmark's servers, with production's settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from orderproject.stack.deployment import Deployment
from orderproject.stack.errors import ProcessFailed
from orderproject.stack.ports import free_port
from orderproject.stack.process_specs import opening, preparation, waves
from orderproject.stack.processes import Process, ProcessSpec, how_it_ended
from orderproject.stack.streams import VARIABLES

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
        streams={name: os.environ[variable] for name, variable in VARIABLES.items() if os.environ.get(variable)},
    )


def variables(at: Deployment, gateway: str) -> dict[str, str]:
    """Production's variables, except that the gateway is in process and there is no mail server, as for all contenders.

    The rate limit is enabled but too high for one client to reach. nginx has no limits: all clients share an address.
    """
    return {
        **at.variables(),
        "PAYMENT_GATEWAY_URL": at.sandbox_url if gateway == "http" else INSTANT,
        "MAIL_DIR": "",
        "EMAIL_URL": MAIL,
        "RATE_LIMIT": "100000000",
        "CONNECTION_LIMIT": "0",
        "STREAM_LIMIT": "0",
    }


def make_schema(at: Deployment) -> None:
    """Migrates and seeds, with the users that `seed` creates only outside production. Raises ProcessFailed."""
    _finished(at, preparation(replace(at, environment="stack")))
    if at.streams:
        _finished(at, opening(replace(at, environment="stack")))


def _finished(at: Deployment, spec: ProcessSpec) -> None:
    process = Process(spec, at.logs / f"{spec.name}.log")
    process.start()
    finished = process.wait(READY_WITHIN)
    process.kill()
    if not finished or process.returncode != 0:
        raise ProcessFailed(process.failure_message(how_it_ended(process.returncode)))


@contextmanager
def started(at: Deployment, gateway: str) -> Iterator[dict[str, Process]]:
    """Starts all processes and waits until they are ready; the sandbox only for the gateway `http`.

    Yields the processes by name. Raises ProcessFailed.
    """
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
