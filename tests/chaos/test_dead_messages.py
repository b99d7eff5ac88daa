"""What Celery would lose, or die of: kept as a row, while the worker goes on. Each test is named after its hazard."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from events.models import DeadMessage
from events.worker.dead_messages import retry
from orderproject.celery import app
from tests.acceptance.shop import Shop, open_shop
from tests.chaos.strays import SWEEP, envelope, push, send

on_valkey = pytest.mark.skipif(
    not app.conf.broker_url.startswith("redis"), reason="an envelope of kombu's is there only on Redis and Valkey"
)


@pytest.fixture(scope="module")
def worker(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with django_db_blocker.unblock(), open_shop(tmp_path_factory.mktemp("shop"), "worker-core") as shop:
        yield shop


@pytest.fixture
def kept(worker: Shop) -> Iterator[Callable[[], DeadMessage]]:
    """The one row that appears; afterwards the same process still takes messages."""
    DeadMessage.objects.all().delete()
    pid = worker.processes["worker-core"].pid

    def row() -> DeadMessage:
        worker.wait_until(DeadMessage.objects.exists, 20)
        return DeadMessage.objects.get()

    yield row
    before = DeadMessage.objects.count()
    send(SWEEP, task="nobody.listens")
    worker.wait_until(lambda: DeadMessage.objects.count() > before, 20)
    assert worker.processes["worker-core"].pid == pid
    assert worker.processes["worker-core"].running
    assert "Trying to re-establish" not in worker.processes["worker-core"].output()


def test_a_task_that_no_code_has(kept: Callable[[], DeadMessage]) -> None:
    send(SWEEP, task="orders.of_tomorrow", queue="inventory")
    row = kept()
    assert (row.reason, row.task, row.queue) == ("unknown_task", "orders.of_tomorrow", "inventory")
    assert bytes(row.body) == SWEEP
    assert '"task": "orders.of_tomorrow"' in row.headers


def test_a_body_that_cannot_be_decoded(kept: Callable[[], DeadMessage]) -> None:
    send(b"\xff\x00 not JSON", task="sagas.sweep")
    row = kept()
    assert (row.reason, row.task) == ("undecodable", "sagas.sweep")
    assert bytes(row.body) == b"\xff\x00 not JSON"


def test_a_content_type_that_is_not_accepted(kept: Callable[[], DeadMessage]) -> None:
    send(b"cos\nsystem\n(S'true'\ntR.", content_type="application/x-python-serialize")
    assert kept().reason in {"malformed", "undecodable"}


def test_json_of_the_wrong_shape(kept: Callable[[], DeadMessage]) -> None:
    send(b"[1]")
    row = kept()
    assert (row.reason, bytes(row.body)) == ("malformed", b"[1]")


def test_a_message_without_an_id(kept: Callable[[], DeadMessage]) -> None:
    send(SWEEP, id=None)
    row = kept()
    assert (row.reason, row.error) == ("malformed", "KeyError: 'id'")


def test_a_message_that_names_no_task(kept: Callable[[], DeadMessage]) -> None:
    send(SWEEP, task=None)
    assert kept().reason == "malformed"


def test_a_name_that_postgresql_cannot_store(kept: Callable[[], DeadMessage]) -> None:
    send(SWEEP, task="orders.\0null")
    row = kept()
    assert row.task == "orders.null"
    assert r"orders.\u0000null" in row.headers


@on_valkey
@pytest.mark.parametrize(
    "item",
    [
        b"not JSON",
        b"\xff\xfe",
        b"[1]",
        b'"text"',
        b"{}",
        envelope(headers=None),
        envelope(properties={}),
        envelope(body="abcde"),
        envelope(properties={"delivery_tag": "t", "delivery_info": {}, "body_encoding": "base64"}),
        envelope(properties={"delivery_tag": "t", "delivery_info": {"exchange": "", "routing_key": "orders"},
                             "body_encoding": "rot13"}),
    ],
)  # fmt: skip
def test_an_envelope_that_is_none(kept: Callable[[], DeadMessage], item: bytes) -> None:
    push(item)
    row = kept()
    assert (row.reason, row.queue, bytes(row.body)) == ("no_envelope", "orders", item)


def test_a_retry_sends_it_again_as_it_came_and_only_once(worker: Shop, kept: Callable[[], DeadMessage]) -> None:
    send(SWEEP, task="orders.of_tomorrow", correlation="kept")
    first = kept()
    assert retry([first.id], actor="ada") == 1
    assert retry([first.id], actor="ada") == 0
    worker.wait_until(lambda: DeadMessage.objects.count() == 2, 20)
    second = DeadMessage.objects.latest("id")
    assert bytes(second.body) == bytes(first.body)
    assert '"correlation": "kept"' in second.headers
    first.refresh_from_db()
    assert first.retried_at is not None
