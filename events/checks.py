"""Django system checks for errors that only show once every application is imported."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from celery import current_app
from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register

from desk.service import service_configs
from events.declare import registry
from events.declare.queues import declared_queues
from events.declare.routing import route
from events.declare.subscribers import subscribers
from events.declare.upcasts import missing, upcasts_from
from events.errors import DeclarationError
from events.log.aggregate import Aggregate
from events.log.verify import aggregates
from events.timeline.headlines import structs_with_headline


@register
def subscribers_are_deliverable(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Every event class that a subscriber names must still be registered; reloading a module may have replaced it."""
    return [
        Error(
            f"{one.name} subscribes to {event.__qualname__}, which is no longer declared: import the current class",
            id="events.E001",
        )
        for one in subscribers()
        for event in one.events
        if not registry.is_declared(event)
    ]


@register
def old_events_are_readable(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Every older major version needs an upcaster, because subscribers always receive the newest version."""
    problems: list[CheckMessage] = [
        Error(
            f"{event.type} {event.version} cannot read {major}.x: declare @upcast({event.__name__}, '{major}.0')",
            id="events.E004",
        )
        for event, major in missing()
    ]
    return problems + [
        Error(
            f"{one.name} subscribes to {event.type} {event.version}, which is upcast: subscribe to the newest version",
            id="events.E005",
        )
        for one in subscribers()
        for event in one.events
        if upcasts_from(event.type, event.version)
    ]


@register
def aggregates_can_be_verified(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """`manage.py verify_log` can only compare an aggregate that declares how to fold its stream."""
    found = aggregates()
    problems: list[CheckMessage] = [
        Error(f"{model.__name__} is an aggregate and must declare {name}", id="events.E006")
        for model in found
        for name in ("stream_kind", "evolve", "folded")
        if getattr(model, name) == getattr(Aggregate, name)
    ]
    kinds = Counter(model.stream_kind for model in found)
    return problems + [
        Error(
            f"{model.__name__}: another aggregate also has stream_kind={model.stream_kind!r}; each needs its own",
            id="events.E007",
        )
        for model in found
        if kinds[model.stream_kind] > 1
    ]


@register
def periodic_tasks_exist(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Without this check, beat would keep sending a misspelt task and workers would keep discarding it."""
    problems: list[CheckMessage] = []
    for title, entry in (current_app.conf.beat_schedule or {}).items():
        if entry["task"] not in current_app.tasks:
            problems.append(Error(f"CELERY_BEAT_SCHEDULE[{title!r}]: no task {entry['task']!r}", id="events.E002"))
            continue
        try:
            route(entry["task"], (), {}, {})
        except DeclarationError as error:
            problems.append(Error(f"CELERY_BEAT_SCHEDULE[{title!r}]: {error}", id="events.E003"))
    return problems


@register
def queues_have_workers(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Messages on a queue that no application serves would never be consumed."""
    served = {queue for config in service_configs() for queue in config.queues}
    return [
        Error(f"no application serves the queue {queue!r}: name it in `queues` of its apps.py", id="events.E008")
        for queue in declared_queues()
        if queue not in served
    ]


@register
def headlines_name_fields(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """The timeline could not show an event with an entry whose headline names no field."""
    structs = {struct for event in registry.declared() for struct in structs_with_headline(event)}
    return [
        Error(f"{struct.__qualname__}: headline names {name!r}, which is none of its fields", id="events.E009")
        for struct in sorted(structs, key=str)
        for name in struct.headline
        if name not in struct.__struct_fields__
    ]
