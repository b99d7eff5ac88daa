"""What an application declares in its `apps.py`: its queues, sidebar, permissions and periodic tasks.

The project gathers the declarations and names no application. docs/howto/add-a-service.md shows a whole one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from typing import ClassVar

from django.apps import AppConfig, apps


class Work(StrEnum):
    """What the tasks of a queue do, which decides how its worker runs them."""

    DATABASE = "database"
    """They work in the database: a worker of one thread runs one batch after the other."""
    CALLS = "calls"
    """Saga steps that call other servers. Slow calls go on beside the worker, so a worker of one thread runs them."""
    NETWORK = "network"
    """They wait for other servers: a worker of several threads runs them, so that one wait does not stop the rest."""


@dataclass(frozen=True)
class SidebarLink:
    """A model's list in the admin. `model` is `loan` for one of the same application, else `auth.group`.

    `badge` is the dotted path of a function of the request; it returns a short text, or "" for no badge.
    """

    title: str
    icon: str
    model: str
    badge: str = ""


@dataclass(frozen=True)
class SidebarSection:
    """Sections stand in the order of `position`; of the same position, in the order of INSTALLED_APPS."""

    title: str
    links: tuple[SidebarLink, ...]
    position: int = 0


@dataclass(frozen=True)
class PeriodicTask:
    """Beat sends `task` every `every` seconds. A message that waited for `expires` seconds is dropped."""

    title: str
    task: str
    every: float
    expires: float


class ServiceConfig(AppConfig):
    """An application with its declarations."""

    default = False  # or Django would find two applications in each apps.py: this class and its own

    queues: ClassVar[Mapping[str, Work]] = {}
    """The queues that it declares, with what their tasks do."""
    sidebar: ClassVar[tuple[SidebarSection, ...]] = ()
    readable: ClassVar[tuple[str, ...]] = ()
    """Models that every group which reads all may view."""
    permissions: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """What else a group starts with, such as `extend_loan`; of another application, `auth.view_group`."""
    periodic_tasks: ClassVar[tuple[PeriodicTask, ...]] = ()
    subjects: ClassVar[Mapping[str, str]] = {}
    """What work is about, as Flower names it: `{"loan": "lending.selectors.numbers"}` is the dotted path of a function
    that returns the numbers of many loans by their ids, in one statement. They must not be personal data."""
    personal_data: ClassVar[str] = ""
    """The dotted path of its `desk.personal_data.PersonalData`, if it knows anything of people."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.default = True

    def qualified(self, name: str) -> str:
        """`loan` → `library.loan`; what names its application already stays as it is."""
        return name if "." in name else f"{self.label}.{name}"


def service_configs() -> list[ServiceConfig]:
    """Those of the installed applications, in the order of INSTALLED_APPS."""
    return [config for config in apps.get_app_configs() if isinstance(config, ServiceConfig)]


def declared_queues_of(applications: Iterable[str]) -> dict[str, Work]:
    """The queues that these packages declare; it needs no settings and no set-up of Django."""
    return {queue: work for name in applications for queue, work in _config_class(name).queues.items()}


def _config_class(application: str) -> type[ServiceConfig]:
    module = import_module(f"{application}.apps")
    for found in vars(module).values():
        if isinstance(found, type) and issubclass(found, ServiceConfig) and found.__module__ == module.__name__:
            return found
    raise LookupError(f"{application}/apps.py must declare a class derived from desk.service.ServiceConfig")
