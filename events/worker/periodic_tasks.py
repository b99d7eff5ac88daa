"""The periodic tasks that the installed applications declare, as Celery's beat reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from desk.service import service_configs


class PeriodicTasks(Mapping[str, dict[str, Any]]):
    """For Celery's `beat_schedule`. Read when beat starts: by then every application is loaded.

    When the settings are read, none is.
    """

    def __init__(self, every: float | None = None) -> None:
        """`every`: all of them run so often, in seconds, whatever they declare."""
        self.every = every

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries())

    def __len__(self) -> int:
        return len(self._entries())

    def __getitem__(self, title: str) -> dict[str, Any]:
        return self._entries()[title]

    def _entries(self) -> dict[str, dict[str, Any]]:
        return {
            one.title: {"task": one.task, "schedule": self.every or one.every, "options": {"expires": one.expires}}
            for config in service_configs()
            for one in config.periodic_tasks
        }
