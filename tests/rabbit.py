"""A private RabbitMQ node on loopback, with an Erlang port mapper of its own."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from orderproject.stack.ports import HOST, free_port
from orderproject.stack.processes import Process, ProcessSpec

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
CONTROL = SERVER.with_name("rabbitmqctl")
CONTROL_ATTEMPTS = 3
LEAST_FREE = "1MB"
"""Of the disk; with less, the node takes nothing more."""
START_WITHIN = 120.0
STANDS_WITHIN = 10.0


def installed() -> bool:
    return SERVER.exists() and shutil.which("epmd") is not None


@contextmanager
def node(folder: Path) -> Iterator[str]:
    """The URL of a node that runs for as long as the block."""
    with Node(folder) as one:
        yield one.url


class Node:
    """Use as a context manager. Its address and what its disk holds outlive `restart` and `kill`.

    `settings` are lines for its configuration, `plugins` those of RabbitMQ's own that it loads.
    """

    def __init__(self, folder: Path, *settings: str, plugins: Sequence[str] = ()) -> None:
        self.port = free_port()
        mapper_port = free_port()
        environment = _configured(folder, (self.port, free_port(), mapper_port), settings, plugins)
        self._environment = environment
        self._mapper = Process(ProcessSpec("epmd", ("epmd", "-address", HOST, "-port", str(mapper_port)), environment))
        self._server = Process(
            ProcessSpec("rabbitmq", (str(SERVER),), environment, lambda _: _answers(self.port), stop_timeout=20.0),
            folder / "rabbitmq.log",
        )

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@{HOST}:{self.port}//"

    def __enter__(self) -> "Node":
        try:
            self._mapper.start()
            self._mapper.wait_ready()
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        self._mapper.stop()

    def _start(self) -> None:
        self._server.start()
        self._server.wait_ready(START_WITHIN)

    def restart(self) -> None:
        """As an operator does: it ends in order, and starts again."""
        self._server.stop()
        self._start()

    def kill(self) -> None:
        """As a power cut: kill -9; and it starts again."""
        self._server.kill()
        self._start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It holds its connections, takes what is sent, and answers nothing."""
        self._server.signal(signal.SIGSTOP)
        try:
            self._wait_until_it_stands()
            yield
        finally:
            self._server.signal(signal.SIGCONT)

    @contextmanager
    def filled(self) -> Iterator[None]:
        """Its disk counts as full: it takes nothing, and no answer comes. A restart ends that too."""
        self._leave_free("1000000GB")
        try:
            yield
        finally:
            self._leave_free(LEAST_FREE)

    def _leave_free(self, much: str) -> None:
        command = [str(CONTROL), "--quiet", "set_disk_free_limit", much]
        for attempt in range(1, CONTROL_ATTEMPTS + 1):
            with suppress(subprocess.TimeoutExpired):  # a node that has just started may leave it without an answer
                subprocess.run(command, env=self._environment, check=True, capture_output=True, timeout=20)
                return
            assert attempt < CONTROL_ATTEMPTS, "rabbitmqctl got no answer"

    def _wait_until_it_stands(self) -> None:
        """The signal is only noted by the kernel when it is sent: until every thread has met it, some still answer."""
        deadline = time.monotonic() + STANDS_WITHIN
        while not all(_stands(thread) for thread in Path(f"/proc/{self._server.pid}/task").iterdir()):
            assert time.monotonic() < deadline, "the node goes on in spite of SIGSTOP"
            time.sleep(0.001)


def _stands(thread: Path) -> bool:
    """By the letter behind its name, which may hold anything but ends with the last parenthesis."""
    try:
        return (thread / "stat").read_text().rpartition(")")[2].split()[0] == "T"
    except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
        return True


def _configured(
    folder: Path, ports: tuple[int, int, int], settings: Sequence[str], plugins: Sequence[str]
) -> dict[str, str]:
    """Writes the node's configuration into `folder`; the environment that leads the node to it.

    The ports are those of AMQP, of the distribution of Erlang, and of its port mapper.
    """
    port, distribution, mapper_port = ports
    folder.mkdir(parents=True, exist_ok=True)
    usual = (
        f"listeners.tcp.1 = {HOST}:{port}",
        "log.console = true",
        "log.file = false",
        f"disk_free_limit.absolute = {LEAST_FREE}",
    )
    (folder / "rabbitmq.conf").write_text("".join(f"{line}\n" for line in (*usual, *settings)))
    (folder / "advanced.config").write_text(
        f"[{{kernel, [{{inet_dist_use_interface, {{127,0,0,1}}}}, {{inet_dist_listen_min, {distribution}}},"
        f" {{inet_dist_listen_max, {distribution}}}]}}].\n"
    )
    (folder / "plugins").write_text(f"[{','.join(plugins)}].\n")
    return {
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


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            connection.sendall(b"AMQP\0\0\x09\x01")
            return bool(connection.recv(8))
    except OSError:
        return False
