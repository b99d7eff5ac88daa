"""Processes that a grown deployment runs and the one-command stack does not: a second relay, a second beat, a
worker that forks. They stand beside the stack's own, and nobody restarts them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from events.declare.queues import declared_queues
from orderproject.stack.deployment import Deployment
from orderproject.stack.probes import answers_celery
from orderproject.stack.process_specs import MACHINE, WORKER, spec
from orderproject.stack.processes import Process, ProcessSpec

FORKING = f"forking@{MACHINE}"


def second_relay(at: Deployment) -> ProcessSpec:
    return replace(spec(at, "relay"), name="relay-2")


def second_beat(at: Deployment) -> ProcessSpec:
    """With its own file of what it sent when, as on another machine."""
    beat = spec(at, "beat")
    mine = str(at.data / "beat-schedule-2")
    return replace(
        beat, name="beat-2", argv=tuple(mine if part.endswith("beat-schedule") else part for part in beat.argv)
    )


def forking_worker(at: Deployment) -> ProcessSpec:
    """Celery's default pool, as a deployment of many cores may run it. It serves every queue."""
    queues = ",".join(str(queue) for queue in declared_queues())
    return replace(
        spec(at, "worker-network"),
        name="worker-forking",
        argv=(*WORKER, "-Q", queues, "-P", "prefork", "-c", "2", "-n", FORKING),
        ready=answers_celery(at.broker_url, FORKING),
    )


def process(spec: ProcessSpec, folder: Path, variables: dict[str, str]) -> Process:
    """`variables` decide. Its signs of life go elsewhere, or they would pass for those of the stack's own."""
    env = {**(spec.env or {}), **variables, "HEARTBEAT_DIR": str(folder / "beside")}
    return Process(replace(spec, env=env), folder / "data" / "logs" / f"{spec.name}.log")
