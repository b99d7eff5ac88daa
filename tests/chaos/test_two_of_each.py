"""Two relays and two beats: one of them may die at any instant, and both together do nothing twice."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings

from events.models import Delivery, DeliveryState, StoredEvent
from inventory.models import Reservation
from orderproject.stack.processes import Process, ProcessSpec
from tests.acceptance.shop import Shop, open_shop
from tests.chaos.beside import process, second_beat, second_relay

VARIABLES = {"DJANGO_SETTINGS_MODULE": "tests.chaos.settings_hurried", "PAYMENT_GATEWAY_TIMEOUT": "1"}
TAKEOVER = 5.0


@pytest.fixture
def shop(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    names = ("sandbox", "worker-core", "worker-calls", "worker-network", "relay", "beat")
    with django_db_blocker.unblock(), open_shop(tmp_path_factory.mktemp("shop"), *names, variables=VARIABLES) as shop:
        yield shop


@contextmanager
def running(shop: Shop, spec: ProcessSpec) -> Iterator[Process]:
    second = process(spec, shop.folder, VARIABLES)
    second.start()
    try:
        second.wait_ready()
        yield second
    finally:
        second.stop()


def delivered_long_ago(events: int) -> None:
    """Into an empty log: its positions must grow with time, for pruning goes by that."""
    long_ago = datetime.now(UTC) - timedelta(days=settings.RETENTION_DELIVERIES + 1)
    for _ in range(events):
        event = StoredEvent.objects.create(
            event_id=uuid4(), stream=f"bell:{uuid4()}", stream_version=1, type="bell.rang", version="1.0", data={},
            source="test", time=long_ago,
        )  # fmt: skip
        Delivery.objects.create(
            event=event, subscriber="tests.nobody", state=DeliveryState.DONE, due_at=long_ago, done_at=long_ago
        )


def sent_again(beat: Process, name: str) -> bool:
    return beat.output().count(f"Sending due task {name} ") > 2


def test_two_beats_do_nothing_twice(shop: Shop):
    delivered_long_ago(events=3)
    with running(shop, second_beat(shop.deployment)) as second:
        shop.stock("MUG", 100)
        orders = [shop.places("MUG") for _ in range(20)]
        hanging = shop.places("MUG", pays="tok_timeout")
        shop.wait_until(lambda: Reservation.objects.filter(order_id=hanging.id, state="held").exists(), 10)
        held = Reservation.objects.unrecorded().filter(order_id=hanging.id)
        held.update(expires_at=datetime.now(UTC) - timedelta(minutes=1))
        assert {order.settles(30) for order in orders} == {"confirmed"}
        assert hanging.settles(60) == "cancelled"
        beats = [shop.processes["beat"], second]
        for name in settings.CELERY_BEAT_SCHEDULE:
            for beat in beats:
                shop.wait_until(partial(sent_again, beat, name), 20)
        shop.wait_until(lambda: not Delivery.objects.filter(subscriber="tests.nobody").exists(), 10)
    told = StoredEvent.objects.filter(stream=f"inventory:{hanging.id}").values_list("type", flat=True)
    assert list(told) == ["inventory.reserved", "inventory.released"]
    said = [*(beat.output() for beat in beats), shop.processes["worker-core"].output()]
    assert not any("[error" in text or "Traceback" in text for text in said), shop.logs()
    assert shop.reconcile() == []


def test_a_second_relay_takes_over_within_seconds(shop: Shop):
    shop.stock("POT", 10)
    first = shop.processes["relay"]
    with running(shop, second_relay(shop.deployment)):
        first.kill()
        began = time.monotonic()
        assert shop.places("POT").settles(TAKEOVER) == "confirmed"
        print(f"confirmed {time.monotonic() - began:.2f} s after the other relay's death")
    first.start()
    first.wait_ready()
    assert shop.reconcile() == []
