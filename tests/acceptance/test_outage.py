"""Messages only hurry: without the broker orders are accepted, and nothing that it forgets is lost."""

from collections.abc import Iterator
from typing import Any

import pytest

from orderproject.stack.ports import free_port
from orderproject.stack.servers.valkey import EmbeddedValkey
from tests.acceptance.client import Client
from tests.acceptance.shop import Shop, open_shop

PROCESSES = ("sandbox", "front", "web", "worker-core", "worker-calls", "worker-network", "relay", "beat")


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """A Valkey of our own, to be shut down."""
    server = EmbeddedValkey(tmp_path_factory.mktemp("valkey"), free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def processes(
    valkey: EmbeddedValkey, django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    impatient = {"RELAY_LEASE": "5"}
    with (
        django_db_blocker.unblock(),
        open_shop(folder, *PROCESSES, valkey_url=valkey.url, variables=impatient) as shop,
    ):
        yield shop


def test_an_order_is_accepted_while_valkey_is_down_and_confirmed_after_it_returns(shop: Shop, valkey: EmbeddedValkey):
    shop.stock("OUTAGE", 10)
    client = Client(shop.deployment.url)
    valkey.stop()
    answers = [client.place(("OUTAGE", 1)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201] * 3
    ids = [answer.json()["id"] for answer in answers]
    assert {client.order(id_)["status"] for id_ in ids} == {"pending"}
    valkey.start()
    for name in (
        "worker-core",
        "worker-calls",
        "worker-network",
    ):  # a worker may end with its broker: whoever runs it restarts it
        if not shop.processes[name].running:
            shop.processes[name].start()
    shop.wait_until(lambda: all(client.order(id_)["status"] == "confirmed" for id_ in ids), 60)


def test_a_broker_that_forgets_everything_costs_time_only(shop: Shop, valkey: EmbeddedValkey):
    import redis

    shop.stock("FORGET", 200)
    server = redis.Redis.from_url(valkey.url)
    ids = []
    client = Client(shop.deployment.url)
    for number in range(60):
        ids.append(client.place(("FORGET", 1)).json()["id"])
        if number % 20 == 10:
            server.flushall()
    server.flushall()
    shop.wait_until(lambda: all(client.order(id_)["status"] == "confirmed" for id_ in ids), 90)
    assert shop.available("FORGET") == 140
