"""The specs of all processes except the servers, in start order. They stop in reverse order, wave by wave."""

import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from desk.service import Work, declared_queues_of
from orderproject.applications import KERNEL, SERVICES
from orderproject.stack.deployment import FLOWER, Deployment
from orderproject.stack.ports import HOST
from orderproject.stack.probes import answers_celery, answers_http, either, log_matches, runs_for
from orderproject.stack.processes import ProcessSpec
from orderproject.stack.servers.front import front

Waves = tuple[tuple[ProcessSpec, ...], ...]

PYTHON = sys.executable
MACHINE = socket.gethostname()
MANAGE = (PYTHON, "manage.py")
CELERY = (PYTHON, "-m", "celery", "-A", "orderproject")
FLOWER_OPTIONS = Path(__file__).with_name("flower_options.py")
FLOWER_ALIVE = f"{FLOWER}/static/favicon.ico"
"""What Flower answers without its log-in, which only front knows."""
WORKER = (*CELERY, "worker", "-E", "-l", "INFO", "--without-gossip", "--without-mingle", "--heartbeat-interval", "10")


def waves(at: Deployment) -> Waves:
    """The waves of processes. Their stop timeouts together leave enough of the fifteen seconds for PostgreSQL."""
    env = at.environment_of_processes()
    sandbox = ProcessSpec(
        name="sandbox",
        argv=(
            *(PYTHON, "-m", "payments.sandbox", "--host", HOST, "--port", str(at.sandbox_port)),
            *("--data", str(at.data / "sandbox.sqlite3")),
        ),
        env=env,
        ready=answers_http(at.sandbox_port, "/healthz"),
        alive=answers_http(at.sandbox_port, "/healthz"),
        stop_timeout=0.5,
        needs_schema=False,
    )
    web = ProcessSpec(
        name="web",
        argv=(
            *(PYTHON, "-m", "gunicorn", "orderproject.wsgi", "--bind", f"{HOST}:{at.web_port}"),
            *("-k", "orderproject.web.Worker", "--workers", "2", "--threads", "32", "--graceful-timeout", "1"),
            # Longer than nginx keeps them. Otherwise a connection could close just when nginx sends a request on it.
            *("--keep-alive", "75"),
            # The control socket would be in the home folder, which can be read-only.
            "--no-control-socket",
        ),
        env=env,
        ready=answers_http(at.web_port, "/livez"),
        alive=answers_http(at.web_port, "/livez"),
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
    core = _worker(at, "core", _queues((*SERVICES, *KERNEL), Work.DATABASE), "-P", "solo")
    # It also serves the services' other queues, so that the steps behind a call need no message.
    calls = _worker(at, "calls", _queues(SERVICES, Work.CALLS, Work.DATABASE), "-P", "solo")
    # Waiting for a server must not stall other work.
    network = _worker(at, "network", _queues((*SERVICES, *KERNEL), Work.NETWORK), "-P", "threads", "-c", "8")
    relay = ProcessSpec(
        name="relay",
        argv=(*MANAGE, "relay"),
        env=env,
        ready=either(log_matches("relay started"), runs_for(5.0)),
        stop_timeout=1.5,
        heartbeat=at.heartbeats / "relay",
    )
    publisher = ProcessSpec(
        name="publisher",
        argv=(*MANAGE, "streams", "run"),
        env=env,
        ready=either(log_matches("publisher started"), runs_for(5.0)),
        stop_timeout=1.5,
        heartbeat=at.heartbeats / "publisher",
    )
    receiver = ProcessSpec(
        name="receiver",
        argv=(*MANAGE, "inbox", "run"),
        env=env,
        ready=either(log_matches("receiver started"), runs_for(5.0)),
        stop_timeout=1.5,
        heartbeat=at.heartbeats / "receiver",
    )
    beat = ProcessSpec(
        name="beat",
        argv=(*CELERY, "beat", "-l", "INFO", "--schedule", str(at.data / "beat-schedule"), "--pidfile="),
        env=env,
        ready=log_matches("is starting"),
        stop_timeout=1.0,
        heartbeat=at.heartbeats / "beat",
    )
    flower = ProcessSpec(
        name="flower",
        # Monitoring has a lower priority than the work itself.
        argv=(
            *("nice", "-n", "10", *CELERY, "flower", f"--conf={FLOWER_OPTIONS}"),
            *(f"--address={HOST}", f"--port={at.flower_port}", f"--db={at.data / 'flower'}"),
        ),
        env={**env, "FLOWER_BASIC_AUTH": at.flower_login},
        ready=answers_http(at.flower_port, FLOWER_ALIVE),
        alive=answers_http(at.flower_port, FLOWER_ALIVE),
        stop_timeout=1.0,
        needs_schema=False,
    )
    movers = (relay, publisher, receiver) if at.streams else (relay,)
    # nginx stops after the processes behind it, so that they can end their answers and streams.
    return ((sandbox,), (front(at),), (web, live), (core, calls, network), movers, (beat,), (flower,))


def _queues(applications: Sequence[str], *kinds: Work) -> str:
    """The queues which these applications declare for these kinds of work, as `celery worker -Q` takes them."""
    return ",".join(queue for queue, work in declared_queues_of(applications).items() if work in kinds)


def _worker(at: Deployment, name: str, queues: str, *pool: str) -> ProcessSpec:
    return ProcessSpec(
        name=f"worker-{name}",
        argv=(*WORKER, "-Q", queues, *pool, "-n", f"{name}@{MACHINE}"),
        # SIGTERM then hands back to the broker what a worker holds, instead of waiting for it to be done.
        env={**at.environment_of_processes(), "REMAP_SIGTERM": "SIGQUIT"},
        ready=answers_celery(at.broker_url, f"{name}@{MACHINE}"),
        stop_timeout=6.5,
        heartbeat=at.heartbeats / name,
    )


def preparation(at: Deployment) -> ProcessSpec:
    """The process that creates the schema. It must end before processes that need the schema start."""
    return ProcessSpec("prepare", (*MANAGE, "prepare"), at.environment_of_processes())


def opening(at: Deployment) -> ProcessSpec:
    """The process that creates topics and exchange, and starts the publishers."""
    return ProcessSpec("open-streams", (*MANAGE, "open_streams"), at.environment_of_processes())


def demonstration(at: Deployment) -> ProcessSpec:
    return ProcessSpec("demo", (*MANAGE, "demo"), at.environment_of_processes())


def spec(at: Deployment, name: str) -> ProcessSpec:
    """The spec with this name, for tests that run a single process."""
    return next(found for wave in waves(at) for found in wave if found.name == name)
