"""Each setting that the kernel relies on is named by `manage.py check` when it cannot work."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper as PlainPostgres
from django.db.backends.sqlite3.base import DatabaseWrapper as Sqlite

from events.conf import event_settings
from events.delivery.relay import Relay
from sagas.conf import saga_settings


def complaints() -> list[str]:
    return [f"{one.id} {one.msg}" for one in run_checks() if str(one.id).startswith(("events.", "sagas."))]


def test_this_project_has_nothing_to_say() -> None:
    assert complaints() == []


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("REDIS_URL", "", "events.E010 REDIS_URL is not set: set it to the address of Redis or Valkey"),
        ("RELAY_BATCH", 0, "events.E010 RELAY_BATCH is 0: set it to a whole number of deliveries"),
        ("RELAY_POLL", "soon", "events.E010 RELAY_POLL is 'soon': set it to a number of seconds"),
        ("RELAY_LEASE", True, "events.E010 RELAY_LEASE is True: set it to a number of seconds"),
        ("RELAY_LINGER", -1.0, "events.E010 RELAY_LINGER is -1.0"),
        ("RELAY_MAX_QUEUE_DEPTH", 1.5, "events.E010 RELAY_MAX_QUEUE_DEPTH is 1.5"),
        ("WORKER_TASK_LIMIT", None, "events.E010 WORKER_TASK_LIMIT is None"),
        ("RETENTION_DELIVERIES", "30", "events.E010 RETENTION_DELIVERIES is '30'"),
        ("RETENTION_DEAD_MESSAGES", -1, "events.E010 RETENTION_DEAD_MESSAGES is -1"),
        ("LIVE_LIFETIME", 0, "events.E010 LIVE_LIFETIME is 0"),
        ("LIVE_OWNERS", None, "events.E010 LIVE_OWNERS is None: set it to the dotted path"),
        ("LIVE_STREAMS", 1, "events.E010 LIVE_STREAMS is 1: set it to the dotted path"),
        ("PUBLIC_URL", None, "events.E010 PUBLIC_URL is None"),
        ("EVENT_SERVERS", [], "events.E010 EVENT_SERVERS is []"),
        ("RETENTION_SAGAS", "long", "sagas.E001 RETENTION_SAGAS is 'long'"),
        ("SAGA_SUBJECT_PAGE", None, "sagas.E001 SAGA_SUBJECT_PAGE is None"),
        ("CELERY_TASK_ACKS_LATE", False, "events.E013 Celery's task_acks_late is False: set it to True (CELERY_TASK_"),
        ("CELERY_TASK_REJECT_ON_WORKER_LOST", True, "events.E013 Celery's task_reject_on_worker_lost is True"),
        ("CELERY_WORKER_CONSUMER", "celery.worker.consumer:Consumer", "events.E013 Celery's worker_consumer is"),
        ("CELERY_TASK_ROUTES", None, "events.E013 Celery's task_routes is None"),
        ("CELERY_TASK_QUEUES", None, "events.E013 Celery's task_queues is None: set it to BrokerQueues()"),
        ("CELERY_TASK_CREATE_MISSING_QUEUES", True, "events.E013 Celery's task_create_missing_queues is True"),
        (
            "CELERY_TASK_DEFAULT_QUEUE",
            "celery",
            "events.E013 Celery's task_default_queue is 'celery': set it to",
        ),
        ("CELERY_TASK_SERIALIZER", "pickle", "events.E013 Celery's task_serializer is 'pickle'"),
        ("CELERY_ACCEPT_CONTENT", ["json", "pickle"], "events.E013 Celery's accept_content is ['json', 'pickle']"),
        ("CELERY_BROKER_URL", "kafka://:secret@host", "events.E015 Celery's broker_url begins with 'kafka'"),
        ("CELERY_VISIBILITY_TIMEOUT", 60, "events.E016 Celery has different visibility timeouts"),
        ("CELERY_RESULT_BACKEND", "redis://:secret@host/0", "sagas.E002 Celery's result_backend begins with 'redis'"),
        ("CELERY_BEAT_SCHEDULE", {}, "sagas.E003 Celery's beat_schedule does not run 'sagas.sweep'"),
        ("CELERY_BEAT_SCHEDULE", {}, "sagas.W001 Celery's beat_schedule does not run 'sagas.prune'"),
        ("CELERY_BEAT_SCHEDULE", {}, "events.W001 Celery's beat_schedule does not run 'events.replay'"),
        ("CELERY_BEAT_SCHEDULE", {}, "events.W001 Celery's beat_schedule does not run 'events.prune'"),
    ],
)
def test_a_setting_that_cannot_work_is_named(settings: Any, name: str, value: object, complaint: str) -> None:
    setattr(settings, name, value)
    found = complaints()
    assert any(one.startswith(complaint) for one in found), found
    assert not any("secret" in one for one in found)


@pytest.mark.parametrize("one", [*event_settings, *saga_settings], ids=lambda one: one.name)
def test_a_project_may_leave_it_out(settings: Any, one: Any) -> None:
    delattr(settings, one.name)
    if one is type(event_settings).REDIS_URL:
        with pytest.raises(ImproperlyConfigured, match="REDIS_URL is not set: set it to"):
            one.value()
    else:
        assert one.value() == one.default
        assert one.problem() == ""


def test_a_setting_is_read_when_it_is_used(settings: Any) -> None:
    settings.RELAY_BATCH, settings.RELAY_MAX_QUEUE_DEPTH = 7, 9
    relay = Relay()
    assert (relay.batch, relay.gate) == (7, 9)


@pytest.mark.parametrize(
    ("engine", "complaint"),
    [
        (Sqlite, "events.E011 The default database is SQLite, but events and sagas need PostgreSQL: set DATABASES"),
        (PlainPostgres, "events.E012 DATABASES['default'] has the ENGINE 'plain': set it to 'events.db.engine'"),
    ],
)
def test_another_database_is_refused(monkeypatch: pytest.MonkeyPatch, engine: Any, complaint: str) -> None:
    real = connections["default"]
    other = engine({**real.settings_dict, "ENGINE": "plain", "OPTIONS": {}}, "default")
    held: Any = connections
    monkeypatch.setattr(held._connections, "default", other)
    assert next(one for one in complaints() if one.startswith("events.E01")).startswith(complaint)
