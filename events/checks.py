"""What only shows once everything is imported is checked here, by `manage.py check` and at every start."""

from collections.abc import Sequence
from typing import Any

from celery import current_app
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from events import registry
from events.errors import DeclarationError
from events.routing import route
from events.subscribers import subscribers


@register
def subscribers_are_deliverable(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """A subscriber's event must still be the declared one: a reload may have replaced it."""
    return [
        Error(
            f"{one.name} subscribes to {one.event.__qualname__}, which is no longer declared",
            id="events.E001",
        )
        for one in subscribers()
        if not registry.is_declared(one.event)
    ]


@register
def periodic_tasks_exist(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Beat would send a misspelt task for ever, and workers would discard it."""
    problems: list[CheckMessage] = []
    for title, entry in settings.CELERY_BEAT_SCHEDULE.items():
        if entry["task"] not in current_app.tasks:
            problems.append(Error(f"CELERY_BEAT_SCHEDULE[{title!r}]: no task {entry['task']!r}", id="events.E002"))
            continue
        try:
            route(entry["task"], (), {}, {})
        except DeclarationError as error:
            problems.append(Error(f"CELERY_BEAT_SCHEDULE[{title!r}]: {error}", id="events.E003"))
    return problems
