"""The stack's configuration, read from environment variables."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orderproject.stack.errors import Misconfigured
from orderproject.stack.processes import PROJECT
from orderproject.stack.streams import VARIABLES


@dataclass(frozen=True)
class Configuration:
    """The configuration. A URL that is set replaces the embedded server of its kind."""

    data: Path
    port: int
    sandbox_port: int
    flower_port: int
    demo: bool = True
    database_url: str = ""
    broker_url: str = ""
    redis_url: str = ""
    secret_key: str = ""
    streams: Mapping[str, str] = field(default_factory=dict)
    """The brokers to publish the log to. One with an address is used; one without is started."""

    @property
    def ports(self) -> dict[str, int]:
        return {"PORT": self.port, "SANDBOX_PORT": self.sandbox_port, "FLOWER_PORT": self.flower_port}


def from_environment(environment: Mapping[str, str] = os.environ) -> Configuration:
    configuration = Configuration(
        # Relative to the current folder; by default var/stack in the project.
        data=Path(environment.get("STACK_DATA_DIR") or PROJECT / "var" / "stack").absolute(),
        port=_port(environment, "PORT", 8000),
        sandbox_port=_port(environment, "SANDBOX_PORT", 8090),
        flower_port=_port(environment, "FLOWER_PORT", 5555),
        demo=environment.get("DEMO", "1") != "0",
        database_url=environment.get("DATABASE_URL", ""),
        broker_url=environment.get("BROKER_URL", ""),
        redis_url=environment.get("REDIS_URL", ""),
        secret_key=environment.get("SECRET_KEY", ""),
        streams=_streams(environment),
    )
    if len(set(configuration.ports.values())) < len(configuration.ports):
        raise Misconfigured(f"Set {', '.join(configuration.ports)} to three different ports.")
    return configuration


def _streams(environment: Mapping[str, str]) -> dict[str, str]:
    text = environment.get("STREAMS", "")
    names = [name.strip() for name in text.split(",") if name.strip()]
    if set(names) - VARIABLES.keys():
        raise Misconfigured(
            f"STREAMS is {text!r}. Set it to {' or '.join(VARIABLES)}, or to both with a comma between them."
        )
    return {name: environment.get(VARIABLES[name], "") for name in names}


def _port(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isdecimal() or not 0 < int(text) < 65_536:
        raise Misconfigured(f"{name} is {text!r}. Set it to a port number, such as {default}.")
    return int(text)
