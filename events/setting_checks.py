"""What `manage.py check` says of settings: the kernel's own, the database's, and those of Celery that it relies on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from celery import current_app
from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Warning, register
from django.db import connections

from events.conf import AppSettings, event_settings
from events.db.engine.base import DatabaseWrapper
from events.declare.queues import STREAMS, declared_queues
from events.worker.broker_queues import BrokerQueues

BROKERS = {"redis", "rediss", "amqp", "amqps"}
CONSUMER = "events.worker.consumer:Consumer"
ROUTE = "events.declare.routing.route"
DEFAULT_VISIBILITY = 3600
"""Celery's own visibility timeout on Redis, where none is set."""


def problems_of(settings: AppSettings, id: str) -> list[CheckMessage]:
    """One error for each setting of a kernel that cannot work."""
    return [Error(problem, id=id) for one in settings if (problem := one.problem())]


@register
def event_settings_are_usable(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    return problems_of(event_settings, "events.E010")


@register
def database_is_postgresql(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Django's own dummy says by itself that no database is set."""
    connection = connections["default"]
    if isinstance(connection, DatabaseWrapper) or connection.vendor == "unknown":
        return []
    if connection.vendor != "postgresql":
        return [
            Error(
                f"The default database is {connection.display_name}, but events and sagas need PostgreSQL: set"
                " DATABASES['default'] to a PostgreSQL server, with the ENGINE 'events.db.engine'",
                id="events.E011",
            )
        ]
    engine = connection.settings_dict["ENGINE"]
    return [
        Error(
            f"DATABASES['default'] has the ENGINE {engine!r}: set it to 'events.db.engine', which sends lists as the"
            " arrays that the statements of events and sagas expect",
            id="events.E012",
        )
    ]


@dataclass(frozen=True)
class Rule:
    """A setting of Celery, what it must be, and why."""

    name: str
    fits: Callable[[Any], bool]
    wanted: str
    why: str


RULES = (
    Rule("task_acks_late", bool, "True", "A worker that dies then returns its unfinished messages to the queue"),
    Rule(
        "task_reject_on_worker_lost",
        lambda value: not value,
        "False",
        "With True, a message that kills its worker is delivered again without end",
    ),
    Rule(
        "worker_consumer",
        lambda value: value == CONSUMER,
        repr(CONSUMER),
        "It stores messages that Celery's own consumer would drop as dead messages",
    ),
    Rule(
        "task_routes",
        lambda value: isinstance(value, list | tuple) and ROUTE in value,
        f"({ROUTE!r},)",
        "It sends each task to the queue of its service",
    ),
    Rule(
        "task_queues",
        lambda value: isinstance(value, BrokerQueues),
        "BrokerQueues() of events.worker.broker_queues",
        "It names the queues that your services declare",
    ),
    Rule(
        "task_create_missing_queues",
        lambda value: not value,
        "False",
        "With True, a misspelt queue takes messages that no worker reads",
    ),
    Rule(
        "task_default_queue",
        lambda value: value in declared_queues(),
        f"a declared queue, such as {str(STREAMS)!r}",
        "Celery's own tasks wait in it",
    ),
    Rule("task_serializer", lambda value: value == "json", "'json'", "Workers accept nothing else"),
    Rule(
        "accept_content",
        lambda value: set(value) <= {"json", "application/json"},
        "['json']",
        "With pickle, anybody who reaches the broker can run code in a worker",
    ),
)


def celery_problem(name: str, value: object, wanted: str, why: str) -> Error:
    return Error(
        f"Celery's {name} is {value!r}: set it to {wanted} (CELERY_{name.upper()} in Django's settings). {why}.",
        id="events.E013",
    )


@register
def celery_is_configured(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    if current_app.main == "default":  # the one that Celery makes where a project has none
        return [
            Error(
                "No Celery application is loaded: create one in your project's celery.py, and import it in your"
                " project's __init__.py",
                id="events.E014",
            )
        ]
    conf = current_app.conf
    problems: list[CheckMessage] = [
        celery_problem(rule.name, conf[rule.name], rule.wanted, rule.why)
        for rule in RULES
        if not rule.fits(conf[rule.name])
    ]
    return problems + _of_broker(conf)


def _of_broker(conf: Any) -> list[CheckMessage]:
    """The address itself is not shown: it may hold a password."""
    scheme = str(conf.broker_url or "amqp://").partition(":")[0]
    if scheme not in BROKERS:
        return [
            Error(
                f"Celery's broker_url begins with {scheme!r}: set it to an address that begins with redis://, rediss://"
                " (Redis or Valkey), amqp:// or amqps:// (RabbitMQ)",
                id="events.E015",
            )
        ]
    timeouts = {
        "broker_transport_options": (conf.broker_transport_options or {}).get("visibility_timeout"),
        "result_backend_transport_options": (conf.result_backend_transport_options or {}).get("visibility_timeout"),
        "visibility_timeout": conf.get("visibility_timeout"),
    }
    if scheme.startswith("amqp") or len({value or DEFAULT_VISIBILITY for value in timeouts.values()}) == 1:
        return []
    return [
        Error(
            f"Celery has different visibility timeouts ({timeouts}): set visibility_timeout to the same number of"
            " seconds in all three, or Redis delivers a message again while a worker still holds it",
            id="events.E016",
        )
    ]


def unscheduled(*tasks: tuple[str, float, str]) -> list[str]:
    """A sentence for each (task, seconds, why) that beat does not run."""
    scheduled = {entry["task"] for entry in (current_app.conf.beat_schedule or {}).values()}
    return [
        f"Celery's beat_schedule does not run {name!r}: add {{'task': {name!r}, 'schedule': {seconds}, 'options':"
        f" {{'expires': {seconds}}}}}. {why}."
        for name, seconds, why in tasks
        if name not in scheduled
    ]


@register
def periodic_tasks_are_scheduled(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    wanted = unscheduled(
        ("events.replay", 5.0, "It continues replays and rebuilds"),
        ("events.prune", 60.0, "It deletes finished deliveries, which otherwise grow without end"),
    )
    return [Warning(sentence, id="events.W001") for sentence in wanted]
