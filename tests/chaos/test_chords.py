"""What a chord loses: its body where a part fails, its count where the broker forgets. No beat sweeps here."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.utils import timezone
from redis import Redis

from events.log.append import emit
from orderproject.celery import app
from sagas.definition import definitions
from sagas.engine.sweep import sweep
from sagas.models import SagaRun, SagaStep
from tests.acceptance.shop import Shop, open_shop
from tests.chaos.hurting.singing import Sung, sing_high, sing_low

HURTING = {"DJANGO_SETTINGS_MODULE": "tests.chaos.settings_hurting"}
on_valkey = pytest.mark.skipif(not app.conf.broker_url.startswith("redis"), reason="looks into Valkey's lists")


@pytest.fixture(scope="module")
def shop(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    names = ("worker-core", "worker-calls", "relay")
    with django_db_blocker.unblock(), open_shop(tmp_path_factory.mktemp("shop"), *names, variables=HURTING) as shop:
        yield shop


def wanted(low: str = "sings") -> UUID:
    song = Sung(song_id=uuid4(), low=low)
    emit([song])
    return song.song_id


def state(song: UUID) -> str:
    return SagaRun.objects.filter(subject=song).values_list("state", flat=True).first() or ""


def steps(song: UUID) -> dict[str, str]:
    return dict(SagaStep.objects.filter(run__subject=song).values_list("name", "state"))


def ask_again(song: UUID) -> int:
    """What beat has done every second, as if the deadline were over."""
    past = timezone.now() - timedelta(seconds=1)
    SagaStep.objects.filter(run__subject=song, due_at__isnull=False).update(due_at=past)
    SagaRun.objects.filter(subject=song).update(wake_at=past)
    return sweep()


def test_every_task_that_may_be_a_part_keeps_its_result():
    actions = [
        action for saga in definitions() for step in saga.steps.values() for action in (step.do, step.undo) if action
    ]
    assert [action.task for action in actions if app.tasks[action.task].ignore_result] == []


@pytest.mark.parametrize(("low", "reason"), [("refuses", "shy"), ("raises", "sing_low_failed")])
def test_the_body_runs_though_a_part_of_the_header_fails(shop: Shop, low: str, reason: str):
    song = wanted(low)
    shop.wait_until(lambda: state(song) == "undone", 10)
    assert SagaRun.objects.get(subject=song).reason_code == reason
    assert steps(song)["sing_high"] == "undone"


def test_a_part_that_failed_first_counts_when_it_is_done_later(shop: Shop):
    song = wanted("startles")
    found = SagaStep.objects.filter(run__subject=song).values_list("name", "state", "attempts")
    shop.wait_until(lambda: set(found.all()) == {("sing_low", "done", 0), ("sing_high", "waiting", 1)}, 10)
    shop.wait_until(lambda: ask_again(song) == 1, 10)  # none while the chord's own body holds the run
    shop.wait_until(lambda: state(song) == "done", 10)


def test_flower_hears_of_every_step_of_a_chord(shop: Shop):
    received: dict[str, dict[str, Any]] = {}
    ended: set[str] = set()
    handlers = {
        "task-received": lambda event: received.update({event["uuid"]: event}),
        "task-succeeded": lambda event: ended.add(event["uuid"]),
    }

    def of(subject: UUID) -> set[str]:
        """Workers tell once a second, also of what was before this test."""
        return {received[one]["name"] for one in ended if one in received and str(subject) in received[one]["args"]}

    parts = {sing_low.task, sing_high.task}
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers=handlers)
        with receiver.consumer_context(wakeup=False) as (listening, _, _):

            def listen(seconds: float) -> None:
                with suppress(TimeoutError):
                    listening.drain_events(timeout=seconds)

            listen(0.5)  # from now on: it subscribes when it first waits
            song = wanted()
            deadline = time.monotonic() + 30
            while not parts <= of(song) and time.monotonic() < deadline:
                listen(1)
    assert state(song) == "done"
    assert parts <= of(song)


@on_valkey
def test_a_part_that_comes_twice_counts_once(shop: Shop):
    for name in ("worker-core", "worker-calls"):
        shop.processes[name].stop()
    song = wanted()
    shop.wait_until(lambda: server().llen("inventory") == 1, 10)
    server().lpush("inventory", under_another_tag(server().lindex("inventory", 0)))
    shop.processes["worker-core"].start()
    shop.wait_until(lambda: not server().llen("inventory") and not server().hlen("unacked"), 20)
    assert steps(song) == {"sing_low": "done", "sing_high": "waiting"}, "the other part has not been sung"
    shop.processes["worker-calls"].start()
    shop.wait_until(lambda: state(song) == "done", 20)


@on_valkey
def test_a_broker_that_forgets_everything_in_mid_chord_is_asked_again_by_rows(shop: Shop):
    shop.processes["worker-calls"].stop()
    song = wanted()
    shop.wait_until(lambda: steps(song).get("sing_low") == "done", 10)
    server().flushdb()
    shop.processes["worker-calls"].start()
    shop.processes["worker-calls"].wait_ready()
    assert state(song) == "running", "nothing is left that could move it on"
    assert ask_again(song) == 1
    shop.wait_until(lambda: state(song) == "done", 20)


def server() -> Any:
    return Redis.from_url(settings.REDIS_URL)


def under_another_tag(message: bytes) -> bytes:
    copy = json.loads(message)
    copy["properties"]["delivery_tag"] = str(uuid4())
    return json.dumps(copy).encode()
