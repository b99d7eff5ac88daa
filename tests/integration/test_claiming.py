"""The relay claims by state. A reader that goes by position misses what commits late, or waits for whoever is slow."""

import threading
from collections import Counter
from collections.abc import Iterator
from random import Random
from uuid import uuid4

import psycopg
import pytest
from django.db import connection, connections, transaction
from psycopg import sql

from events.delivery.relay import Relay
from events.log.append import emit
from events.models import Delivery, StoredEvent
from tests.integration.listeners import Rang
from tests.integration.mail import Mail

pytestmark = pytest.mark.django_db(transaction=True)
WRITERS = 4
TRANSACTIONS = 50
EVENTS = 3


def address(database: str) -> str:
    at = connection.settings_dict
    return f"host={at['HOST']} port={at['PORT']} user={at['USER']} password={at['PASSWORD']} dbname={database}"


def sent(mail: Mail) -> Counter[int]:
    """How often each delivery is on its way."""
    return Counter(id_ for _, args in mail.messages() for id_ in args[0])


@pytest.fixture
def open_transaction_elsewhere() -> Iterator[None]:
    """Somebody writes to another database of the same cluster, and does not come to an end."""
    name = sql.Identifier(f"elsewhere_{uuid4().hex}")
    with psycopg.connect(address("postgres"), autocommit=True) as making:
        making.execute(sql.SQL("CREATE DATABASE {}").format(name))
        with psycopg.connect(address(name.as_string(making).strip('"'))) as slow:
            slow.execute("CREATE TABLE unfinished (number int)")
            yield
            slow.rollback()
        making.execute(sql.SQL("DROP DATABASE {}").format(name))


def test_an_event_that_commits_after_a_later_one_is_sent_all_the_same(mail: Mail):
    begun, later_is_sent = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic():
            emit([Rang(bell_id=uuid4(), name="early")])
            begun.set()
            later_is_sent.wait(10)
        connections.close_all()

    writer = threading.Thread(target=slow)
    writer.start()
    assert begun.wait(10)
    emit([Rang(bell_id=uuid4(), name="later")])
    assert Relay().pump() == 3
    later_is_sent.set()
    writer.join()
    assert list(StoredEvent.objects.order_by("position").values_list("data__name", flat=True)) == ["early", "later"]
    assert Relay().pump() == 3
    assert set(sent(mail).values()) == {1}


def test_none_is_missed_though_many_write_at_once_and_none_waits_for_another_database(
    mail: Mail, open_transaction_elsewhere: None
):
    done = threading.Event()

    def write(seed: int) -> None:
        chance = Random(seed)
        for _ in range(TRANSACTIONS):
            with transaction.atomic():
                emit([Rang(bell_id=uuid4(), name="a") for _ in range(EVENTS)])
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_sleep(%s)", [chance.random() / 100])
        connections.close_all()

    def relay() -> None:
        relay = Relay(batch=20, gate=10**9)
        while not done.is_set() or relay.pump():
            relay.pump()
        connections.close_all()

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(WRITERS)]
    relays = [threading.Thread(target=relay) for _ in range(2)]
    for thread in writers + relays:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in relays:
        thread.join()
    deliveries = set(Delivery.objects.values_list("id", flat=True))
    assert len(deliveries) == WRITERS * TRANSACTIONS * EVENTS * 3
    assert sent(mail) == Counter(deliveries)
