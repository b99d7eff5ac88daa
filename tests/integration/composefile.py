"""docker-compose.yml as Docker would read it, as far as this project uses the format."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from orderproject.stack.processes import PROJECT

FILE = PROJECT / "docker-compose.yml"
# The innermost reference first: a default may contain another one.
REFERENCE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<kind>:[-?])(?P<rest>[^${}]*))?\}")
ESCAPED = "\0"


class Missing(Exception):
    """A variable that has no default is not set; the sentence is the one that the user would read."""


def raw() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return loaded


def variables() -> set[str]:
    """Every variable that the file asks the environment for."""
    return {found["name"] for found in re.finditer(r"\$\{(?P<name>\w+)", FILE.read_text())}


def interpolated(environment: Mapping[str, str]) -> dict[str, Any]:
    """Raises Missing."""
    loaded: dict[str, Any] = _resolved(raw(), environment)
    return loaded


def _resolved(value: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _resolved(one, environment) for key, one in value.items()}
    if isinstance(value, list):
        return [_resolved(one, environment) for one in value]
    return _text(value, environment) if isinstance(value, str) else value


def _text(text: str, environment: Mapping[str, str]) -> str:
    text = text.replace("$$", ESCAPED)

    def value(reference: re.Match[str]) -> str:
        given = environment.get(reference["name"], "")
        if not given and reference["kind"] == ":?":
            raise Missing(reference["rest"])
        return given or (reference["rest"] or "" if reference["kind"] else "")

    while "${" in text:
        text, replaced = REFERENCE.subn(value, text)
        assert replaced, text
    return text.replace(ESCAPED, "$")


@dataclass(frozen=True)
class Service:
    """One service of ours. Its texts are already interpolated."""

    name: str
    settings: Mapping[str, Any]

    @property
    def command(self) -> list[str]:
        return list(self.settings["command"])

    @property
    def environment(self) -> dict[str, str]:
        return {name: str(value) for name, value in self.settings["environment"].items()}

    @property
    def check(self) -> list[str]:
        """The health check as a command line; empty if there is none."""
        kind, *words = self.settings["healthcheck"].get("test", ["NONE"])
        return ["sh", "-c", *words] if kind == "CMD-SHELL" else words

    @property
    def grace(self) -> float:
        return float(self.settings.get("stop_grace_period", "10s").removesuffix("s"))


def ours(environment: Mapping[str, str]) -> dict[str, Service]:
    """The services that run our image."""
    services = interpolated(environment)["services"]
    return {name: Service(name, one) for name, one in services.items() if "build" in one}
