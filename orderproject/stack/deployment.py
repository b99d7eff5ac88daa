"""The addresses and folders of a stack, and the environment of its processes."""

import os
import secrets
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orderproject.stack import streams
from orderproject.stack.ports import HOST, free_port

FLOWER = "/admin/flower"
"""Where front offers Flower."""


@dataclass(frozen=True)
class Deployment:
    data: Path
    database_url: str
    broker_url: str
    redis_url: str
    secret_key: str
    port: int
    sandbox_port: int
    flower_port: int
    environment: str = "stack"
    streams: Mapping[str, str] = field(default_factory=dict)
    """The addresses of the brokers to which the log is published, and from which tracking messages are received."""
    # Random, because clients never use them: they talk to nginx, which listens on `port`.
    web_port: int = field(default_factory=free_port)
    live_port: int = field(default_factory=free_port)
    # Known to nginx, which asks for the admin's log-in instead, and to no other process.
    flower_login: str = field(default_factory=lambda: f"front:{secrets.token_urlsafe(32)}", repr=False)

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    @property
    def mail(self) -> Path:
        return self.data / "mail"

    @property
    def heartbeats(self) -> Path:
        return self.data / "heartbeats"

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def sandbox_url(self) -> str:
        return f"http://{HOST}:{self.sandbox_port}"

    @property
    def flower_url(self) -> str:
        return f"{self.url}{FLOWER}"

    def environment_of_processes(self) -> dict[str, str]:
        """Our own environment and the variables of this stack."""
        return {**os.environ, **self.variables()}

    def variables(self) -> dict[str, str]:
        return {
            "ENVIRONMENT": self.environment,
            "DATABASE_URL": self.database_url,
            "BROKER_URL": self.broker_url,
            "REDIS_URL": self.redis_url,
            "SECRET_KEY": self.secret_key,
            "ALLOWED_HOSTS": f"{HOST},localhost",
            "PUBLIC_URL": self.url,
            # nginx, which replaces X-Forwarded-For.
            "TRUSTED_PROXIES": HOST,
            "PAYMENT_GATEWAY_URL": self.sandbox_url,
            "MAIL_DIR": str(self.mail),
            "HEARTBEAT_DIR": str(self.heartbeats),
            "FLOWER_URL": FLOWER,
            "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", "orderproject.settings"),
            # Logs must contain the last lines that a process wrote before it died.
            "PYTHONUNBUFFERED": "1",
            **streams.variables(self.streams),
        }

    def write_variables(self) -> Path:
        """Writes a file that a shell can source to use `manage.py` with this stack. It contains secrets."""
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in self.variables().items()]
        file = self.data / "environment"
        file.unlink(missing_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
            output.writelines(lines)
        return file
