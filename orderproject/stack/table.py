"""Every process above the servers, in the order of starting; stopped in the reverse order, wave by wave."""

import socket
import sys

from orderproject.stack.deployment import Deployment
from orderproject.stack.ports import HOST
from orderproject.stack.probes import answers_celery, answers_http, either, runs_for, says
from orderproject.stack.processes import ProcessSpec

Waves = tuple[tuple[ProcessSpec, ...], ...]

PYTHON = sys.executable
MACHINE = socket.gethostname()
MANAGE = (PYTHON, "manage.py")
CELERY = (PYTHON, "-m", "celery", "-A", "orderproject")
WORKER = (*CELERY, "worker", "-E", "-l", "INFO", "--without-gossip", "--without-mingle", "--heartbeat-interval", "10")


def waves(at: Deployment) -> Waves:
    """All stop timeouts together leave PostgreSQL its share of the fifteen seconds."""
    env = at.environment_of_processes()
    # SIGTERM then hands back to the broker what a worker holds, instead of waiting for it to be done.
    worker_env = {**env, "REMAP_SIGTERM": "SIGQUIT"}
    sandbox = ProcessSpec(
        name="sandbox",
        argv=(
            *(PYTHON, "-m", "payments.sandbox", "--host", HOST, "--port", str(at.sandbox_port)),
            *("--data", str(at.data / "sandbox.sqlite3")),
        ),
        env=env,
        ready=answers_http(at.sandbox_port, "/healthz"),
        lives=answers_http(at.sandbox_port, "/healthz"),
        stop_timeout=0.5,
        needs_schema=False,
    )
    web = ProcessSpec(
        name="web",
        argv=(
            *(PYTHON, "-m", "gunicorn", "orderproject.wsgi", "--bind", f"{HOST}:{at.port}"),
            *("-k", "orderproject.web.Worker", "--workers", "2", "--threads", "32", "--graceful-timeout", "1"),
            # Its place would be the home folder, which need not be writable.
            "--no-control-socket",
        ),
        env=env,
        ready=answers_http(at.port, "/livez"),
        lives=answers_http(at.port, "/livez"),
        stop_timeout=1.5,
    )
    live = ProcessSpec(
        name="live",
        argv=(PYTHON, "-m", "orderproject.live", "--host", HOST, "--port", str(at.live_port)),
        env=env,
        ready=answers_http(at.live_port, "/livez"),
        stop_timeout=1.5,
        heartbeat=at.heartbeats / "live",
    )
    core = ProcessSpec(
        name="worker-core",
        argv=(*WORKER, "-Q", "orders,inventory,streams", "-P", "solo", "-n", f"core@{MACHINE}"),
        env=worker_env,
        ready=answers_celery(at.broker_url, f"core@{MACHINE}"),
        stop_timeout=6.5,
        heartbeat=at.heartbeats / "core",
    )
    network = ProcessSpec(
        name="worker-network",
        # Waiting for a gateway must stall nobody else.
        argv=(
            *WORKER,
            "-Q",
            "payments,notifications",
            "-P",
            "threads",
            "-c",
            "8",
            "-n",
            f"network@{MACHINE}",
        ),
        env=worker_env,
        ready=answers_celery(at.broker_url, f"network@{MACHINE}"),
        stop_timeout=6.5,
        heartbeat=at.heartbeats / "network",
    )
    relay = ProcessSpec(
        name="relay",
        argv=(*MANAGE, "relay"),
        env=env,
        ready=either(says("relay started"), runs_for(5.0)),
        stop_timeout=1.5,
        heartbeat=at.heartbeats / "relay",
    )
    beat = ProcessSpec(
        name="beat",
        argv=(*CELERY, "beat", "-l", "INFO", "--schedule", str(at.data / "beat-schedule"), "--pidfile="),
        env=env,
        ready=says("is starting"),
        stop_timeout=1.0,
        heartbeat=at.heartbeats / "beat",
    )
    flower = ProcessSpec(
        name="flower",
        # What is only looked at waits for what has to be done.
        argv=("nice", "-n", "10", *CELERY, "flower", f"--address={HOST}", f"--port={at.flower_port}"),
        env=env,
        ready=answers_http(at.flower_port, "/healthcheck"),
        lives=answers_http(at.flower_port, "/healthcheck"),
        stop_timeout=1.0,
        needs_schema=False,
    )
    return ((sandbox,), (web, live), (core, network), (relay,), (beat,), (flower,))


def preparation(at: Deployment) -> ProcessSpec:
    """What runs to its end before anything that needs the schema starts."""
    return ProcessSpec("prepare", (*MANAGE, "prepare"), at.environment_of_processes())


def demonstration(at: Deployment) -> ProcessSpec:
    return ProcessSpec("demo", (*MANAGE, "demo"), at.environment_of_processes())


def spec(at: Deployment, name: str) -> ProcessSpec:
    """One process of the table, for tests that run just that."""
    return next(found for wave in waves(at) for found in wave if found.name == name)
