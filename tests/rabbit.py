"""A private RabbitMQ node on loopback, with an Erlang port mapper of its own."""

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orderproject.stack.ports import HOST, free_port
from orderproject.stack.processes import Process, ProcessSpec

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
START_WITHIN = 120.0


def installed() -> bool:
    return SERVER.exists() and shutil.which("epmd") is not None


@contextmanager
def node(folder: Path) -> Iterator[str]:
    """The URL of a node that runs for as long as the block."""
    port, distribution, mapper_port = (free_port() for _ in range(3))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = {HOST}:{port}\nlog.console = true\nlog.file = false\ndisk_free_limit.absolute = 1MB\n"
    )
    (folder / "advanced.config").write_text(
        f"[{{kernel, [{{inet_dist_use_interface, {{127,0,0,1}}}}, {{inet_dist_listen_min, {distribution}}},"
        f" {{inet_dist_listen_max, {distribution}}}]}}].\n"
    )
    (folder / "plugins").write_text("[].\n")
    environment = {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "ERL_EPMD_ADDRESS": HOST,
        "ERL_EPMD_PORT": str(mapper_port),
        "RABBITMQ_NODENAME": f"orders-{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": HOST,
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        # The shell then becomes the node instead of starting it, so that it dies with us.
        "RUNNING_UNDER_SYSTEMD": "true",
    }
    mapper = Process(ProcessSpec("epmd", ("epmd", "-address", HOST, "-port", str(mapper_port)), environment))
    server = Process(
        ProcessSpec("rabbitmq", (str(SERVER),), environment, lambda _: _answers(port), stop_timeout=20.0),
        folder / "rabbitmq.log",
    )
    try:
        mapper.start()
        mapper.wait_ready()
        server.start()
        server.wait_ready(START_WITHIN)
        yield f"amqp://guest:guest@{HOST}:{port}//"
    finally:
        server.stop()
        mapper.stop()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            connection.sendall(b"AMQP\0\0\x09\x01")
            return bool(connection.recv(8))
    except OSError:
        return False
