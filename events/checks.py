"""What only shows once everything is imported is checked here, by `manage.py check` and at every start."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from celery import current_app
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from events import registry
from events.aggregate import Aggregate
from events.errors import DeclarationError
from events.routing import route
from events.subscribers import subscribers
from events.upcasts import missing, upcasts_from
from events.verify import aggregates


@register
def subscribers_are_deliverable(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """A subscriber's events must still be the declared ones: a reload may have replaced them."""
    return [
        Error(
            f"{one.name} subscribes to {event.__qualname__}, which is no longer declared",
            id="events.E001",
        )
        for one in subscribers()
        for event in one.events
        if not registry.is_declared(event)
    ]


@register
def old_events_are_readable(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """What was recorded under an older major version is read as the newest one, and reaches subscribers as such."""
    problems: list[CheckMessage] = [
        Error(
            f"{event.type} {event.version} cannot read {major}.x: declare @upcast({event.__name__}, '{major}.0')",
            id="events.E004",
        )
        for event, major in missing()
    ]
    return problems + [
        Error(
            f"{one.name} subscribes to {event.type} {event.version}, which is upcast: it gets the newest",
            id="events.E005",
        )
        for one in subscribers()
        for event in one.events
        if upcasts_from(event.type, event.version)
    ]


@register
def aggregates_can_be_verified(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """One that the log cannot be folded into would never be compared with it."""
    found = aggregates()
    problems: list[CheckMessage] = [
        Error(f"{model.__name__} is an aggregate and declares no {name}", id="events.E006")
        for model in found
        for name in ("stream_kind", "evolve", "folded")
        if getattr(model, name) == getattr(Aggregate, name)
    ]
    kinds = Counter(model.stream_kind for model in found)
    return problems + [
        Error(
            f"{model.__name__} is not the only aggregate whose streams are called {model.stream_kind}", id="events.E007"
        )
        for model in found
        if kinds[model.stream_kind] > 1
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
