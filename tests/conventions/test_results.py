"""`AsyncResult.get()`, groups and chords work as Celery documents them; sagas' chords are counted in one round trip."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery, chain, chord, group
from celery.exceptions import ChordError, TimeoutError
from celery.result import AsyncResult
from django.conf import settings
from redis import Redis

from events.declare.queues import STREAMS
from events.declare.routing import assign
from events.worker.broker_queues import BrokerQueues
from sagas.results import Body, send_chord
from tests import rabbit
from tests.acceptance.shop import Shop, open_shop

ORDINARY = {"DJANGO_SETTINGS_MODULE": "tests.conventions.settings"}
WITHIN = 20.0
"""Seconds until a result counts as one that never comes."""


@pytest.fixture(scope="module", params=["valkey", "rabbitmq"])
def shop(
    request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: Any, tmp_path_factory: Any
) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    with (
        broker(request.param, tmp_path_factory) as url,
        django_db_blocker.unblock(),
        open_shop(folder, "worker-core", broker_url=url, variables=ORDINARY) as shop,
    ):
        yield shop


@contextmanager
def broker(name: str, folders: Any) -> Iterator[str]:
    """Its address; none for the Valkey of the test run."""
    if name == "valkey":
        yield ""
        return
    if not rabbit.installed():
        pytest.skip("RabbitMQ is not installed (apt)")
    with rabbit.node(folders.mktemp("rabbit")) as url:
        yield url


@pytest.fixture
def app(shop: Shop) -> Iterator[Celery]:
    """A client with a result backend of its own. At the end it listens for nothing any more."""
    client = Celery("client", set_as_current=False)
    client.config_from_object("django.conf:settings", namespace="CELERY")
    url = shop.deployment.broker_url
    client.conf.update(broker_url=url)
    if url.startswith("amqp"):
        client.conf.update(
            broker_transport_options={"confirm_publish": True},
            task_default_queue_type="quorum",
            task_queues=BrokerQueues(settings.RABBITMQ_QUEUE),
        )
    valkey().delete("ordinary:failed", "ordinary:bodies", *valkey().keys("celery-task*"))
    yield client
    backend: Any = client.backend
    backend.result_consumer.stop()
    backend.result_consumer.subscribed_to.clear()


def valkey() -> Any:
    return Redis.from_url(settings.REDIS_URL, decode_responses=True)


def on(app: Celery, name: str, *args: Any, **options: Any) -> Any:
    """As `name.s(…)` where the task is declared; this client does not have it."""
    return app.signature(f"ordinary.{name}", args=args, queue="streams", ignore_result=False, **options)


def sent(app: Celery, name: str, *args: Any) -> Any:
    return on(app, name, *args).delay()


# --- Single tasks ---------------------------------------------------------------------------------------


def test_a_task_returns_its_result(app: Celery):
    result = sent(app, "add", 2, 3)
    assert result.get(timeout=WITHIN) == 5
    assert result.successful()
    assert AsyncResult(result.id, app=app).get(timeout=WITHIN) == 5, "also for somebody who only knows the id"
    result.forget()
    assert valkey().keys(f"*{result.id}*") == []


def test_what_a_task_raises_is_raised_where_it_is_waited_for(app: Celery):
    result = sent(app, "fail", "no")
    with pytest.raises(ValueError, match="no"):
        result.get(timeout=WITHIN)
    assert result.failed()
    assert "ValueError: no" in str(result.traceback)
    assert isinstance(result.get(propagate=False), ValueError)


def test_waiting_ends_when_its_time_is_over(app: Celery):
    result = sent(app, "sleep", 3)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        result.get(timeout=0.5)
    assert time.monotonic() - began < 2
    assert result.get(timeout=WITHIN) == "rested"


def test_a_result_expires(app: Celery):
    result = sent(app, "add", 1, 1)
    result.get(timeout=WITHIN)
    assert 0 < valkey().ttl(f"celery-task-meta-{result.id}") <= 3600


def test_a_task_that_does_not_ask_for_its_result_keeps_none(shop: Shop, app: Celery):
    result = app.send_task("ordinary.forget", queue="streams", ignore_result=True)
    sent(app, "add", 1, 1).get(timeout=WITHIN)  # the worker takes one after the other
    assert valkey().keys(f"*{result.id}*") == []


# --- Groups, chains and chords --------------------------------------------------------------------------


def test_a_group_returns_the_results_in_order(app: Celery):
    result: Any = group([on(app, "add", number, 1) for number in range(10)], app=app).apply_async()
    assert result.get(timeout=WITHIN) == list(range(1, 11))
    assert result.completed_count() == 10


def test_a_group_raises_what_one_of_it_raised(app: Celery):
    result = group([on(app, "add", 1, 1), on(app, "fail", "one of them")], app=app).apply_async()
    with pytest.raises(ValueError, match="one of them"):
        result.get(timeout=WITHIN)
    assert [str(one) for one in result.get(propagate=False)] == ["2", "one of them"]


def test_a_chain_hands_results_on(app: Celery):
    result = chain(on(app, "add", 1, 2), on(app, "add", 10), on(app, "add", 100), app=app).apply_async()
    assert result.get(timeout=WITHIN) == 113


def test_the_body_of_a_chord_gets_the_results_of_its_header(app: Celery):
    header = [on(app, "add", number, number) for number in range(10)]
    assert chord(header, on(app, "total"), app=app).apply_async().get(timeout=WITHIN) == 90


def test_a_chord_whose_body_takes_no_results_is_still_celerys(app: Celery):
    """It is immutable, as the body of a saga's chord is."""
    header = [on(app, "add", 1, 1), on(app, "add", 2, 2)]
    result = chord(header, on(app, "add", 20, 22, immutable=True), app=app).apply_async()
    assert result.get(timeout=WITHIN) == 42


def test_a_chord_inside_a_chord(app: Celery):
    inner = chord([on(app, "add", 1, 1), on(app, "add", 2, 2)], on(app, "total"), app=app)
    result = chord([inner, on(app, "add", 10, 10)], on(app, "total"), app=app).apply_async()
    assert result.get(timeout=WITHIN) == 26


def test_a_chord_whose_header_fails_fails_and_calls_its_error_callback(shop: Shop, app: Celery):
    body = on(app, "total").on_error(on(app, "failed"))
    result = chord([on(app, "add", 1, 1), on(app, "fail", "part")], body, app=app).apply_async()
    with pytest.raises((ChordError, ValueError), match="part"):  # of the body, or of the part, as it comes
        result.get(timeout=WITHIN)
    assert isinstance(AsyncResult(result.id, app=app).get(timeout=WITHIN, propagate=False), ChordError)
    shop.wait_until(lambda: len(valkey().lrange("ordinary:failed", 0, -1)) > 0, WITHIN)
    assert all("part" in one for one in valkey().lrange("ordinary:failed", 0, -1))


# --- Sagas' chords --------------------------------------------------------------------------------------

RESULTS = re.compile(r"celery-task(set)?-meta-|\b(un)?subscribe\b", re.IGNORECASE)


class Heard:
    """Every command that Valkey gets while the block runs, as MONITOR shows it, from results alone."""

    def __enter__(self) -> Heard:
        self.lines: list[str] = []
        self._end = f"end-{uuid4()}"
        self._began = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        assert self._began.wait(WITHIN)
        return self

    def _listen(self) -> None:
        with valkey().monitor() as monitor:
            self._began.set()
            for command in monitor.listen():
                if self._end in command["command"]:
                    return
                # What brings results to Valkey, and not a script's own commands, which cost no round trip.
                if RESULTS.search(command["command"]) and command["client_type"] != "lua":
                    self.lines.append(command["command"])

    def __exit__(self, *_: object) -> None:
        valkey().echo(self._end)
        self._thread.join(WITHIN)

    @property
    def commands(self) -> list[str]:
        return [line.split(" ", 1)[0].upper() for line in self.lines]


def test_the_parts_of_a_sagas_chord_cost_one_round_trip_each_and_leave_nothing(shop: Shop, app: Celery):
    count(shop, app)  # the script's text is sent once
    with Heard() as heard:
        count(shop, app)
    assert heard.commands == ["EVALSHA"] * 3, heard.lines
    assert valkey().keys("celery-task*") == []
    with Heard() as heard:
        chord([on(app, "add", 1, 1), on(app, "add", 2, 2)], on(app, "total"), app=app).apply_async().get(timeout=WITHIN)
    assert {"EVALSHA", "SUBSCRIBE", "PUBLISH"} <= set(heard.commands), "as Celery's own chord is heard"


def count(shop: Shop, app: Celery) -> None:
    """A chord of three parts, as sagas send it; returns when its body has run."""
    assign("ordinary.part", STREAMS)
    run = str(uuid4())
    parts = [("ordinary.part", [name]) for name in ("a", "b", "c")]
    send_chord(app, parts, Body("ordinary.body", ([run],), STREAMS))
    shop.wait_until(lambda: run in valkey().lrange("ordinary:bodies", 0, -1), WITHIN)


def test_both_kinds_of_chord_run_beside_each_other(shop: Shop, app: Celery):
    kept = [chord([on(app, "add", n, n) for n in (1, 2)], on(app, "total"), app=app).apply_async() for _ in range(5)]
    for _ in range(5):
        count(shop, app)
    assert [one.get(timeout=WITHIN) for one in kept] == [6] * 5
