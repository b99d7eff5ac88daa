"""From empty tables to many rows in one run, on one connection: the hot path goes on to read a few rows per order."""

from collections import Counter
from collections.abc import Callable
from uuid import UUID

import pytest
from django.db import connection
from rest_framework.test import APIClient

from events.delivery.relay import Relay
from orders.models import Order
from sagas.engine.cohorts import decide_next
from tests.integration import api, growing
from tests.integration.mail import Mail

pytestmark = pytest.mark.django_db(transaction=True)
ORDERS = 20
ROUNDS = 8
"""PostgreSQL keeps a plan from the sixth execution of what is prepared on: by us, or by itself for a foreign key."""
COPIES = 80
MOST = 250
"""Rows of one table that an order may read on its way, in all statements together. One look at a whole table, for all
the orders of a round together, is more than twice that for each."""

READ = """
SELECT tables.relname, tables.seq_tup_read + coalesce(sum(indexes.idx_tup_read), 0)
FROM pg_stat_user_tables tables LEFT JOIN pg_stat_user_indexes indexes USING (relid)
GROUP BY tables.relid, tables.relname, tables.seq_tup_read
"""


@pytest.fixture(autouse=True)
def _in_process(settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PAYMENT_GATEWAY_URL = "inprocess:"
    monkeypatch.setattr("payments.gateways._gateways", {})


def place_and_settle(client: APIClient, mail: Mail, orders: int) -> None:
    """The whole way of some orders, on this thread's one connection."""
    for _ in range(orders):
        assert api.place(client, ("MUG-RED", 2), ("TEAPOT", 1)).status_code == 201
    while Relay().pump() + work(mail):
        pass


def work(mail: Mail) -> int:
    """As workers do. No worker counts the parts of a chord here, so its runs are settled by hand."""
    messages = mail.messages()
    runs: set[UUID] = set()
    for task, args in messages:
        mail.app.tasks[task](*args)
        if isinstance(args[0], str):
            runs |= {UUID(run) for run in args[3]}
    decide_next(sorted(runs))
    return len(messages)


def read_by(work: Callable[[], None]) -> Counter[str]:
    """How many rows and index entries of each table were read, whether they were of any use or not."""
    before = read_so_far()
    work()
    return read_so_far() - before


def read_so_far() -> Counter[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(READ)
        return Counter({table: int(read) for table, read in cursor.fetchall()})


def test_the_hot_path_reads_no_more_rows_after_the_tables_have_grown(mail: Mail):
    client = api.client_of(api.user())
    api.product("MUG-RED", stock=100_000)
    api.product("TEAPOT", stock=100_000)
    for _ in range(ROUNDS):
        place_and_settle(client, mail, ORDERS)
    assert set(Order.objects.values_list("status", flat=True)) == {"confirmed"}

    growing.grow(COPIES)
    assert growing.rows()["sagas_sagastep"] > 50_000
    assert growing.rows()["events_storedevent"] > 50_000
    assert read_too_much(lambda: place_and_settle(client, mail, ORDERS)) == {}
    assert prepared() > 25

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    assert read_too_much(lambda: place_and_settle(client, mail, ORDERS)) == {}


def read_too_much(work: Callable[[], None]) -> dict[str, float]:
    """Rows of a table per order, where they are too many, and again: the server may look by itself once."""
    often = read_by(work)
    if max(often.values()) / ORDERS > MOST:
        often &= read_by(work)
    return {table: read / ORDERS for table, read in often.items() if read / ORDERS > MOST}


def prepared() -> int:
    """Statements that this connection keeps."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements")
        (count,) = cursor.fetchone()
    return int(count)
