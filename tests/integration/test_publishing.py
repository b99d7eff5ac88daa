"""A publish may fail, hang, or arrive in spite of its error. None of this blocks for long, and none of it matters."""

import socket
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from celery import Celery
from celery.exceptions import QueueNotFound
from django.conf import settings
from redis import Redis

from events.declare.queues import declared_queues
from events.delivery.broker import send
from events.delivery.relay import Relay
from events.log.append import emit
from orderproject.celery import app
from orderproject.stack.ports import HOST, free_port
from sagas.engine.decide import Move
from sagas.engine.dispatch import publish
from tests.chaos.doors import Door
from tests.integration import listeners
from tests.integration.listeners import Rang
from tests.integration.mail import Mail
from tests.integration.test_relay import make_due

on_valkey = pytest.mark.skipif(not app.conf.broker_url.startswith("redis"), reason="stands between us and Valkey")
DOWN = 1.0
"""Seconds that a publish may take while nobody listens at the broker's address."""
PATIENCE = 1.0
"""Seconds until a broker that does not answer counts as away, here; 10 in the settings."""


def speaking_to(port: int) -> Celery:
    """The project's application, with its broker and its results at another port."""
    ours = urlsplit(settings.REDIS_URL)
    url = f"redis://:{ours.password}@{HOST}:{port}{ours.path}"
    other = Celery("elsewhere", set_as_current=False)
    other.config_from_object("django.conf:settings", namespace="CELERY")
    options = {**settings.CELERY_BROKER_TRANSPORT_OPTIONS, "socket_timeout": PATIENCE}
    results = f"{settings.CELERY_RESULT_BACKEND.partition('redis://')[0]}{url}"
    other.conf.update(
        broker_url=url, broker_transport_options=options, result_backend=results, redis_socket_timeout=PATIENCE
    )
    return other


@pytest.fixture
def frozen() -> Iterator[int]:
    """The port of a server that takes every connection and says nothing."""
    with socket.create_server((HOST, 0), backlog=100) as server:
        yield server.getsockname()[1]


def send_chord() -> None:
    ids = [uuid4()]
    move = Move("PlaceOrder", ("hold_stock", "authorize_payment"), False, ids)
    publish(move)


def took(began: float) -> float:
    return time.monotonic() - began


@on_valkey
def test_a_broker_that_is_down_is_noticed_at_once():
    other = speaking_to(free_port())
    for _ in range(3):
        began = time.monotonic()
        assert not send(other, "sagas.sweep", ())
        assert took(began) < DOWN


@on_valkey
def test_a_chord_is_given_up_at_once_while_nobody_can_count_its_parts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sagas.engine.dispatch.current_app", speaking_to(free_port()))
    for _ in range(3):
        began = time.monotonic()
        send_chord()
        assert took(began) < DOWN


@on_valkey
def test_a_broker_that_is_frozen_is_waited_for_once(monkeypatch: pytest.MonkeyPatch, frozen: int):
    other = speaking_to(frozen)
    monkeypatch.setattr("sagas.engine.dispatch.current_app", other)
    began = time.monotonic()
    assert not send(other, "sagas.sweep", ())
    assert took(began) < 2 * PATIENCE
    began = time.monotonic()
    send_chord()
    assert took(began) < 4 * PATIENCE


@on_valkey
def test_who_sends_a_chord_listens_for_no_results(mail: Mail):
    """Celery's own would keep two channels and two results for each, in every process, for ever."""
    for _ in range(10):
        send_chord()
    assert len(mail.messages()) == 20
    assert Redis.from_url(settings.REDIS_URL).pubsub_channels("celery-task-meta-*") == []
    backend: Any = app.backend
    assert [len(kept) for kept in backend._pending_results] == [0, 0]


@on_valkey
@pytest.mark.django_db(transaction=True)
def test_a_publish_that_fails_and_arrives_all_the_same_acts_once(mail: Mail, monkeypatch: pytest.MonkeyPatch):
    with Door(urlsplit(settings.REDIS_URL).port or 0, keeps_answers_to=b"LPUSH") as door:
        relay = Relay(app=speaking_to(door.port))
        monkeypatch.setattr(relay, "_open_queues", lambda: set(declared_queues()))
        emit([Rang(bell_id=uuid4(), name="a")])
        relay.pump()
    arrived = mail.messages()
    assert Counter(task for task, _ in arrived) == {"tests.together": 1, "tests.in_order": 1, "tests.outside": 1}
    make_due()
    assert Relay().pump() == 3, "nobody knows that they arrived"
    for task, args in [*arrived, *mail.messages()]:
        mail.app.tasks[task](*args)
    assert sorted(listeners.handled) == [("in_order", "a"), ("outside", "a"), ("together", "a")]


def test_a_queue_that_nobody_declared_is_refused_at_once():
    with pytest.raises(QueueNotFound, match="odrers"):
        app.send_task("sagas.sweep", queue="odrers", ignore_result=True)
    with pytest.raises(Exception, match="odrers"):
        app.amqp.queues.select(["odrers"])  # what `celery worker -Q odrers` does
