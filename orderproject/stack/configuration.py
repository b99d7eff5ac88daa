"""What the environment says about the stack."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orderproject.stack.errors import Misconfigured
from orderproject.stack.processes import PROJECT


@dataclass(frozen=True)
class Configuration:
    """A URL that is given replaces the embedded server of its kind."""

    data: Path
    port: int
    sandbox_port: int
    flower_port: int
    demo: bool = True
    database_url: str = ""
    broker_url: str = ""
    redis_url: str = ""
    secret_key: str = ""
    flower_login: str = "admin:admin"

    @property
    def ports(self) -> dict[str, int]:
        return {"PORT": self.port, "SANDBOX_PORT": self.sandbox_port, "FLOWER_PORT": self.flower_port}


def from_environment(environment: Mapping[str, str] = os.environ) -> Configuration:
    configuration = Configuration(
        # Relative to where the command was given; var/stack of the project if nothing is said.
        data=Path(environment.get("STACK_DATA_DIR") or PROJECT / "var" / "stack").absolute(),
        port=_port(environment, "PORT", 8000),
        sandbox_port=_port(environment, "SANDBOX_PORT", 8090),
        flower_port=_port(environment, "FLOWER_PORT", 5555),
        demo=environment.get("DEMO", "1") != "0",
        database_url=environment.get("DATABASE_URL", ""),
        broker_url=environment.get("BROKER_URL", ""),
        redis_url=environment.get("REDIS_URL", ""),
        secret_key=environment.get("SECRET_KEY", ""),
        flower_login=environment.get("FLOWER_BASIC_AUTH") or "admin:admin",
    )
    if len(set(configuration.ports.values())) < len(configuration.ports):
        raise Misconfigured(f"{', '.join(configuration.ports)} must be three different ports.")
    return configuration


def _port(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isdecimal() or not 0 < int(text) < 65_536:
        raise Misconfigured(f"{name} is {text!r}; it must be the number of a port, such as {default}.")
    return int(text)
