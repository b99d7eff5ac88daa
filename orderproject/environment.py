"""The environment, as the settings read it. In a shell, the file `.env` completes it.

`.env` is read only where nothing has set `ENVIRONMENT`. Whatever starts processes sets it (containers, the one-command
stack, the test suite), so no stray file changes what they do. `.env` never overrides a variable of the environment.
"""

import os
import re
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
HELP = "See .env.example and docs/howto/work-from-a-shell.md."
LEFT_EMPTY = re.compile(r"^(?:export )?\w+=\s*$", re.MULTILINE)
HERE = ("127.0.0.1", "localhost", "testserver")
"""The host names of this machine, which are answered for where it is not production."""

env = environ.Env()


def read_dotenv(file: Path) -> None:
    """Adds the variables of `file` that the environment lacks. One that is left empty there counts as not set."""
    if file.is_file():
        env.read_env(StringIO(LEFT_EMPTY.sub("", file.read_text(encoding="utf-8"))))


if "ENVIRONMENT" not in os.environ:
    read_dotenv(BASE_DIR / ".env")

ENVIRONMENT: str = env.str("ENVIRONMENT", default="production")
PRODUCTION = ENVIRONMENT == "production"
if ENVIRONMENT not in {"production", "development", "stack", "test"}:
    raise ImproperlyConfigured(
        f"ENVIRONMENT is {ENVIRONMENT!r}; it must be production, development, stack or test. {HELP}"
    )


def server(name: str) -> str:
    """The address of one of our servers. It must be set, but may be empty for commands that need no server."""
    if name not in os.environ:
        raise ImproperlyConfigured(f"{name} is missing: set {name} to the address of a server. {HELP}")
    return os.environ[name]


def secret(name: str, *, shortest: int) -> str:
    """A secret from the environment. Outside production it has a default."""
    value: str = env.str(name, default="" if PRODUCTION else f"loopback-only-{name.lower()}-" + "0" * shortest)
    if len(value) < shortest:
        raise ImproperlyConfigured(
            f"{name} is missing or too short: set {name} to a random text of at least {shortest} characters. {HELP}"
        )
    return value


def outside(name: str, *, loopback: str) -> str:
    """The address of an external server. Outside production its default is `loopback`."""
    value: str = env.str(name, default="") or ("" if PRODUCTION else loopback)
    if not value:
        raise ImproperlyConfigured(f"{name} is missing and production has no default: set {name}. {HELP}")
    return value


def hosts(name: str) -> list[str]:
    """The host names to serve. Development has no secrets and no TLS, so it serves loopback names only."""
    given: list[str] = env.list(name, default=[] if PRODUCTION else list(HERE))
    if PRODUCTION and not given:
        raise ImproperlyConfigured(
            f"{name} is missing: set {name} to the host names that this installation serves. {HELP}"
        )
    if ENVIRONMENT == "development" and not set(given) <= set(HERE):
        raise ImproperlyConfigured(
            f"{name} is {', '.join(given)}, but ENVIRONMENT=development answers for {', '.join(HERE)} alone:"
            f" set ENVIRONMENT=production to serve others. {HELP}"
        )
    return given


def check_traces(endpoint: str, ratio: float, page: str) -> None:
    """Raises ImproperlyConfigured if traces could not be sent, sampled or linked to like this."""
    if endpoint and (urlsplit(endpoint).scheme not in {"http", "https"} or not urlsplit(endpoint).hostname):
        raise ImproperlyConfigured(
            "OTEL_EXPORTER_OTLP_ENDPOINT must be the http:// or https:// address of a collector, such as"
            f" http://collector:4318, or empty. {HELP}"
        )
    if not 0 <= ratio <= 1:
        raise ImproperlyConfigured(
            f"OTEL_TRACES_SAMPLER_ARG is {ratio:g}: set it to the share of traces to record, from 0 to 1. {HELP}"
        )
    if page and (urlsplit(page).scheme not in {"http", "https"} or page.count("{trace_id}") != 1):
        raise ImproperlyConfigured(
            "TRACE_URL must be an http:// or https:// address with {trace_id} once in it, such as"
            f" https://traces.example.com/trace/{{trace_id}}, or empty. {HELP}"
        )
