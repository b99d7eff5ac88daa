import os
import socket
import time
from pathlib import Path

from orderproject.stack.errors import ProcessFailed
from orderproject.stack.ports import HOST, free_port
from orderproject.stack.probes import Probed
from orderproject.stack.processes import Process, ProcessSpec
from orderproject.stack.secrets import kept_secret, write_secret
from orderproject.stack.servers import binaries
from orderproject.stack.servers.folders import own_folder
from orderproject.stack.servers.identity import Identity, server_identity

USER = "app"
HEADER = b"AMQP\0\0\x09\x01"
MAPPER_WITHIN = 10.0


class EmbeddedRabbitMQ:
    """A RabbitMQ node that keeps its data across restarts, with an Erlang port mapper of its own.

    Both listen on loopback only. It asks for a password, because other users of the machine can connect to it too.
    """

    def __init__(self, data_dir: Path, port: int, log: Path) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port
        self._mapper_port, self._distribution = free_port(), free_port()
        program, mapper = binaries.rabbitmq_programs()
        identity = server_identity(program, self.data_dir)
        own_folder(self.data_dir, identity)
        self._owner = (identity.uid, identity.gid) if identity else None
        self.password = kept_secret(self.data_dir / "password", self._owner)
        self._write_configuration()
        self.mapper = self._mapper(mapper, identity, log)
        self.process = self._node(program, identity, log)

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def url(self) -> str:
        return f"amqp://{USER}:{self.password}@{self.address}//"

    def prepare(self) -> None:
        """Waits for the mapper, because without one the node would start another. Call it before every start."""
        deadline = time.monotonic() + MAPPER_WITHIN
        while not _connects(self._mapper_port):
            if time.monotonic() > deadline:
                raise ProcessFailed(self.mapper.failure_message(f"was not ready after {MAPPER_WITHIN:g} s"))
            time.sleep(0.05)

    def _mapper(self, program: Path, identity: Identity | None, log: Path) -> Process:
        argv = (str(program), "-address", HOST, "-port", str(self._mapper_port))
        spec = ProcessSpec("epmd", argv, self._environment(), stop_timeout=0.5, identity=identity, needs_schema=False)
        return Process(spec, log.with_name("epmd.log"))

    def _node(self, program: Path, identity: Identity | None, log: Path) -> Process:
        spec = ProcessSpec(
            name="rabbitmq",
            argv=(str(program),),
            env=self._environment(),
            ready=self._speaks,
            stop_timeout=3.0,
            identity=identity,
            needs_schema=False,
        )
        return Process(spec, log)

    def _speaks(self, _: Probed) -> bool:
        try:
            with socket.create_connection((HOST, self.port), timeout=1) as connection:
                connection.sendall(HEADER)
                return bool(connection.recv(8))
        except OSError:
            return False

    def _write_configuration(self) -> None:
        ports = self._distribution
        self._write("plugins", "[].\n")
        self._write(
            "advanced.config",
            "[{kernel, [{inet_dist_use_interface, {127,0,0,1}},"
            f" {{inet_dist_listen_min, {ports}}}, {{inet_dist_listen_max, {ports}}}]}}].\n",
        )
        # The user is created with the node's first data; the password stays the same.
        self._write(
            "rabbitmq.conf",
            f"listeners.tcp.1 = {HOST}:{self.port}\n"
            f"default_user = {USER}\n"
            f"default_pass = {self.password}\n"
            "log.console = true\n"
            "log.file = false\n",
        )

    def _write(self, name: str, text: str) -> None:
        write_secret(self.data_dir / name, text, self._owner)

    def _environment(self) -> dict[str, str]:
        """Without the caller's variables, which could lead to another node."""
        folder = self.data_dir
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(folder),
            "ERL_EPMD_ADDRESS": HOST,
            "ERL_EPMD_PORT": str(self._mapper_port),
            # Always the same, because the data folder is named after it. The mapper knows no other node.
            "RABBITMQ_NODENAME": "orders@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": HOST,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            # The shell then becomes the node instead of starting it, so that it stops with the stack.
            "RUNNING_UNDER_SYSTEMD": "true",
        }


def _connects(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False
