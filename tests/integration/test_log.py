"""A state change and its events are one transaction, and the log is for ever."""

from copy import copy
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from events import Conflict, Money, UnrecordedWrite, domain_event
from events.log.aggregate import number, save_all
from events.log.append import append, emit, gathered, record
from events.log.context import Context, caused_by
from events.models import Delivery, StoredEvent
from inventory.events import InventoryLow
from orders.events import Item, OrderCreated
from orders.models import Order
from tests.integration.listeners import Rang

pytestmark = pytest.mark.django_db


def an_order() -> Order:
    item = Item(sku="MUG", quantity=2, unit_price=Money(Decimal("9.90"), "EUR"))
    return Order.place(
        customer_id=uuid4(), email="a@example.com", payment_token="tok_visa", shipping_address={}, items=(item,)
    )


def test_row_event_and_deliveries_are_written_together():
    order = an_order()
    order.save()
    event = StoredEvent.objects.get(stream=f"order:{order.id}")
    assert (event.type, event.stream_version, order.version) == ("order.created", 1, 1)
    assert event.data["total"] == {"amount": "19.80", "currency": "EUR"}
    assert list(event.deliveries.values_list("subscriber", "state")) == [("orders.PlaceOrder", "pending")]


def test_each_of_many_gets_its_own_place():
    orders = [an_order() for _ in range(1_000)]
    recorded = append(number(orders))
    assert [one.event.stream for one in recorded] == [order.stream for order in orders]
    assert [one.position for one in recorded] == sorted({one.position for one in recorded})
    stored = StoredEvent.objects.in_bulk([one.position for one in recorded])
    assert [stored[one.position].event_id for one in recorded] == [one.event_id for one in recorded]
    assert [stored[one.position].stream for one in recorded] == [one.event.stream for one in recorded]


def test_what_is_recorded_together_is_appended_at_once_each_with_its_own_cause():
    first, second = an_order(), an_order()
    with CaptureQueriesContext(connection) as queries, transaction.atomic(), gathered():
        with caused_by(Context(actor="first")):
            first.save()
        assert not StoredEvent.objects.exists()
        with caused_by(Context(actor="second")):
            second.save()
    assert sum("INTO events_storedevent" in query["sql"] for query in queries) == 1
    stored = StoredEvent.objects.order_by("position").values_list("stream", "actor", "stream_version")
    assert list(stored) == [(first.stream, "first", 1), (second.stream, "second", 1)]
    assert [event.deliveries.count() for event in StoredEvent.objects.all()] == [1, 1]


def test_what_was_recorded_before_comes_before_what_is_emitted():
    order = an_order()
    with transaction.atomic(), gathered():
        order.save()
        emit([InventoryLow(sku="MUG", available=1, threshold=2)])
    assert list(StoredEvent.objects.order_by("position").values_list("type", flat=True)) == [
        "order.created",
        "inventory.low",
    ]


def test_what_was_recorded_before_an_error_is_forgotten_with_its_transaction():
    def fail() -> None:
        with transaction.atomic(), gathered():
            an_order().save()
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        fail()
    order = an_order()
    order.save()
    assert [event.stream for event in StoredEvent.objects.all()] == [order.stream]


def test_who_comes_second_to_a_stream_is_told_at_the_end_of_what_is_recorded_together():
    order = an_order()
    twin = copy(order)
    order.save()
    with pytest.raises(Conflict), transaction.atomic(), gathered():
        record(number([twin]))


def test_a_receiver_that_raises_takes_the_state_change_back():
    order = an_order()

    def refuse(**_: object) -> None:
        raise RuntimeError("no")

    domain_event.connect(refuse, sender=OrderCreated)
    try:
        with pytest.raises(RuntimeError), transaction.atomic():
            order.save()
    finally:
        domain_event.disconnect(refuse, sender=OrderCreated)
    assert not Order.objects.exists()
    assert not StoredEvent.objects.exists()
    assert order.version == 0
    assert len(order.recorded) == 1


def test_the_older_copy_loses():
    order = an_order()
    order.save()
    one, other = Order.objects.get(id=order.id), Order.objects.get(id=order.id)
    one.confirm()
    one.save()
    other.cancel("late")
    with pytest.raises(Conflict), transaction.atomic():
        other.save()
    assert StoredEvent.objects.filter(stream=f"order:{order.id}").count() == 2


def test_one_stream_version_exists_once():
    bell = uuid4()
    emit([Rang(bell_id=bell, name="a")])
    from events.log.append import append

    with pytest.raises(Conflict), transaction.atomic():
        append([(Rang(bell_id=bell, name="b"), 1)])


@pytest.mark.parametrize("many", [1, 50])
def test_a_batch_costs_as_many_statements_as_one(many):
    with CaptureQueriesContext(
        connection,
    ) as new:
        orders = [an_order() for _ in range(many)]
        save_all(orders)
    for order in orders:
        order.confirm()
    with CaptureQueriesContext(connection) as changed:
        save_all(orders)
    work = [
        [q for q in queries if "SAVEPOINT" not in q["sql"]]
        for queries in (new.captured_queries, changed.captured_queries)
    ]
    assert [len(queries) for queries in work] == [3, 3]  # row, events, deliveries


@pytest.mark.parametrize("statement", ["UPDATE events_storedevent SET type = 'x'", "DELETE FROM events_storedevent"])
def test_the_database_refuses_to_change_the_log(statement):
    emit([Rang(bell_id=uuid4(), name="a")])
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_database_refuses_to_empty_the_log():
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL events.erasable = 'off'")
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            cursor.execute("TRUNCATE events_storedevent CASCADE")


@pytest.mark.parametrize("write", ["update", "bulk_update", "bulk_create", "delete"])
def test_bulk_writes_behind_the_logs_back_are_refused(write):
    arguments: dict[str, dict[str, Any]] = {
        "update": {"status": "confirmed"},
        "bulk_update": {"objs": [], "fields": []},
        "bulk_create": {"objs": []},
    }
    with pytest.raises(UnrecordedWrite):
        getattr(Order.objects, write)(**arguments.get(write, {}))


def test_whoever_says_so_may_write_in_bulk():
    an_order().save()
    assert Order.objects.unrecorded().filter(status="pending").update(email="b@example.com") == 1


def test_cause_and_correlation_go_into_the_log():
    mine, other = uuid4(), uuid4()
    context = Context("request-1", "cause-1", "me", "00-trace")
    with caused_by(Context(actor="all"), {str(mine): context}):
        emit([Rang(bell_id=mine, name="a"), Rang(bell_id=other, name="b")])
    first, second = StoredEvent.objects.order_by("position")
    assert (first.correlation_id, first.causation_id, first.actor) == ("request-1", "cause-1", "me")
    assert (second.correlation_id, second.actor) == ("", "all")
    assert first.envelope()["source"] == "bell-service"


def test_an_event_gets_one_delivery_per_subscriber_and_order_where_asked_for():
    emit([Rang(bell_id=uuid4(), name="a")])
    rows = dict(Delivery.objects.values_list("subscriber", "stream"))
    assert set(rows) == {"tests.together", "tests.in_order", "tests.outside"}
    assert rows["tests.together"] is None
    assert str(rows["tests.in_order"]).startswith("bell:")
