"""Describes the environment of a run: machine, versions and server settings, without names of hosts and users."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec
import psutil
import psycopg
import redis

PROJECT = Path(__file__).resolve().parent.parent
PACKAGES = (
    *("celery", "kombu", "redis", "Django", "djangorestframework", "psycopg"),
    *("dbos", "eventsourcing", "django-outbox-pattern"),
)
# PostgreSQL's settings that differ from their defaults, except addresses, paths and formats, which affect no figure.
CHANGED_SETTINGS = """
SELECT name, current_setting(name) FROM pg_settings
WHERE source <> 'default' AND boot_val IS NOT NULL AND setting <> boot_val
  AND category NOT IN ('File Locations', 'Client Connection Defaults / Locale and Formatting')
  AND category NOT LIKE 'Reporting and Logging / %'
  AND name NOT IN ('port', 'listen_addresses', 'unix_socket_directories')
ORDER BY name
"""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The environment, saved beside the samples, so that a later report describes where they were measured."""

    cpu: str
    cores_used: int
    cores_present: int
    memory_gib: float
    kernel: str
    versions: dict[str, str]
    postgres_settings: dict[str, str]
    """PostgreSQL's settings that differ from the defaults."""
    valkey_settings: dict[str, str]
    commit: str
    dirty: bool
    """Whether the work tree differed from the commit."""


def observe(postgres_url: str, redis_url: str) -> Machine:
    """Reads the current environment. Call it from a process that is pinned to the benchmark's cores."""
    with psycopg.connect(postgres_url) as connection:
        settings = {name: without_path(value) for name, value in connection.execute(CHANGED_SETTINGS)}
        postgres = connection.info.parameter_status("server_version") or "unknown"
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        server = client.info("server")
        valkey_settings = {name: client.config_get(name)[name] for name in ("appendonly", "appendfsync")}
    commit, dirty = revision(PROJECT)
    return Machine(
        cpu=cpu_model(),
        cores_used=len(os.sched_getaffinity(0)),
        cores_present=psutil.cpu_count() or 1,
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        kernel=f"{platform.system()} {platform.release()}",
        versions={
            "Python": platform.python_version(),
            "PostgreSQL": postgres.split()[0],
            "Valkey": server.get("valkey_version", server["redis_version"]),
            **installed(PACKAGES),
        },
        postgres_settings=settings,
        valkey_settings=valkey_settings,
        commit=commit,
        dirty=dirty,
    )


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The model of the first core, or the architecture if the kernel does not report it."""
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [
        value.strip() for name, _, value in (line.partition(":") for line in lines) if name.strip() == "model name"
    ]
    return names[0] if names else platform.machine()


def installed(packages: tuple[str, ...]) -> Mapping[str, str]:
    """The versions of the packages, which all contenders share."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def revision(project: Path) -> tuple[str, bool]:
    """The short commit hash, and whether the work tree differs from it; `unknown` without a repository."""
    git = shutil.which("git")
    if git is None:
        return "unknown", False
    commit, status = (
        subprocess.run((git, *arguments), cwd=project, capture_output=True, text=True, check=False)
        for arguments in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain"))
    )
    if commit.returncode:
        return "unknown", False
    return commit.stdout.strip(), bool(status.stdout.strip())


def without_path(value: str) -> str:
    return "(a path)" if "/" in value else value


def save(machine: Machine, file: Path) -> None:
    file.write_bytes(msgspec.json.format(msgspec.json.encode(machine), indent=2) + b"\n")


def load(file: Path) -> Machine:
    return msgspec.json.decode(file.read_bytes(), type=Machine)
