import signal
from pathlib import Path

from orderproject.stack.ports import HOST
from orderproject.stack.probes import answers_ping
from orderproject.stack.processes import Process, ProcessSpec
from orderproject.stack.secrets import kept_secret, write_secret
from orderproject.stack.servers import binaries
from orderproject.stack.servers.folders import own_folder
from orderproject.stack.servers.identity import Identity, server_identity

DATABASES = 64


class EmbeddedValkey:
    """A Valkey server that keeps its data across restarts (append-only file, synced every second).

    It listens on loopback only, and asks for a password, because other users of the machine can connect to it too.
    """

    def __init__(self, data_dir: Path, port: int, log: Path | None = None) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port
        program = binaries.valkey_program()
        identity = server_identity(program, self.data_dir)
        own_folder(self.data_dir, identity)
        self.password = kept_secret(self.data_dir / "password", _owner(identity))
        # Not an option: those can be read in the list of processes.
        file = self.data_dir / "valkey.conf"
        write_secret(file, f"requirepass {self.password}\n", _owner(identity))
        spec = ProcessSpec(
            name="valkey",
            argv=(str(program), str(file), *self._options()),
            env={"LC_ALL": "C"},
            ready=answers_ping(port, self.password),
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
            # When memory is full, Valkey must refuse new messages instead of evicting old ones.
            *("--maxmemory-policy", "noeviction"),
        )

    @property
    def url(self) -> str:
        return self.url_of(0)

    def url_of(self, database: int) -> str:
        return f"redis://:{self.password}@{HOST}:{self.port}/{database}"

    def start(self) -> None:
        self.process.start()
        self.process.wait_ready()

    def stop(self) -> None:
        self.process.stop()

    def kill(self) -> None:
        self.process.kill()


def _owner(identity: Identity | None) -> tuple[int, int] | None:
    return (identity.uid, identity.gid) if identity else None
