"""Where everything of one stack is, and how its processes are told."""

import os
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from orderproject.stack.ports import HOST, free_port


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
    flower_login: str = "admin:admin"
    environment: str = "stack"
    # Nobody needs to know it: the web process hands streams over.
    live_port: int = field(default_factory=free_port)

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
        return f"http://{HOST}:{self.flower_port}"

    def environment_of_processes(self) -> dict[str, str]:
        """Our own, with what a process of this stack must know."""
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
            "LIVE_SOCKET": str(self.data / "live.sock"),
            "PAYMENT_GATEWAY_URL": self.sandbox_url,
            "MAIL_DIR": str(self.mail),
            "HEARTBEAT_DIR": str(self.heartbeats),
            "FLOWER_URL": self.flower_url,
            "FLOWER_BASIC_AUTH": self.flower_login,
            "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", "orderproject.settings"),
            # A log must show the last words of what died.
            "PYTHONUNBUFFERED": "1",
        }

    def write_variables(self) -> Path:
        """For a shell to source, so that `manage.py` there speaks to this stack. Holds secrets."""
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in self.variables().items()]
        file = self.data / "environment"
        file.unlink(missing_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
            output.writelines(lines)
        return file
