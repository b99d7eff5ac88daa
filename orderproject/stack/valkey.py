import signal
from pathlib import Path

from orderproject.stack import binaries
from orderproject.stack.folders import own_folder
from orderproject.stack.identity import server_identity
from orderproject.stack.ports import HOST
from orderproject.stack.probes import answers_ping
from orderproject.stack.processes import Process, ProcessSpec

DATABASES = 64


class EmbeddedValkey:
    """Keeps its queues over a restart (append-only file, synced every second)."""

    def __init__(self, data_dir: Path, port: int, log: Path | None = None) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port
        program = binaries.valkey_program()
        identity = server_identity(program, self.data_dir)
        own_folder(self.data_dir, identity)
        spec = ProcessSpec(
            name="valkey",
            argv=(str(program), *self._options()),
            env={"LC_ALL": "C"},
            ready=answers_ping(port),
            stop_timeout=3.0,
            death_signal=signal.SIGTERM,
            identity=identity,
        )
        self.process = Process(spec, log or self.data_dir.with_name("valkey.log"))

    def _options(self) -> tuple[str, ...]:
        return (
            *("--bind", HOST, "--port", str(self.port)),
            *("--dir", str(self.data_dir), "--databases", str(DATABASES)),
            *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
            # A full memory must refuse new messages, not forget old ones.
            *("--maxmemory-policy", "noeviction"),
        )

    @property
    def url(self) -> str:
        return self.url_of(0)

    def url_of(self, database: int) -> str:
        return f"redis://{HOST}:{self.port}/{database}"

    def start(self) -> None:
        self.process.start()
        self.process.wait_ready()

    def stop(self) -> None:
        self.process.stop()

    def kill(self) -> None:
        self.process.kill()
