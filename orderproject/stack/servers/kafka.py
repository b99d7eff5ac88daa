import socket
from pathlib import Path

from orderproject.stack.ports import HOST
from orderproject.stack.probes import Probed
from orderproject.stack.processes import Process, ProcessSpec
from orderproject.stack.servers import binaries
from orderproject.stack.servers.identity import server_identity


class EmbeddedKafka:
    """tansu, a server that speaks Kafka's protocol, on loopback only. It keeps everything in memory."""

    def __init__(self, port: int, log: Path) -> None:
        self.port = port
        program = binaries.tansu_program()
        url = f"tcp://{HOST}:{port}"
        # Explicitly, because by default it listens on every address.
        where = ("--listener-url", url, "--advertised-listener-url", url)
        spec = ProcessSpec(
            name="kafka",
            argv=(str(program), "broker", *where, "--storage-engine", "memory://tansu/"),
            env={"LC_ALL": "C"},
            ready=self._accepts,
            stop_timeout=1.0,
            identity=server_identity(program, program),
            needs_schema=False,
        )
        self.process = Process(spec, log)

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def _accepts(self, _: Probed) -> bool:
        try:
            with socket.create_connection((HOST, self.port), timeout=1):
                return True
        except OSError:
            return False
