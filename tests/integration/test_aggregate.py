"""Aggregates of a whole batch: loaded under lock, written as arrays, as one by one they would be."""

from uuid import UUID

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from events.log.aggregate import save_all
from events.models import StoredEvent
from orders.models import Order, Status
from tests.integration.test_log import an_order

pytestmark = pytest.mark.django_db


def placed(number: int) -> list[UUID]:
    orders = [an_order() for _ in range(number)]
    save_all(orders)
    return [order.id for order in orders]


def test_a_batch_is_locked_in_the_order_of_its_keys():
    ids = placed(5)
    with (
        CaptureQueriesContext(
            connection,
        ) as queries,
        transaction.atomic(),
    ):
        found = Order.locked([ids[4], ids[1], ids[3], UUID(int=0)], "status")
    assert [order.id for order in found] == sorted([ids[1], ids[3], ids[4]])
    (query,) = [one["sql"] for one in queries if "SELECT" in one["sql"]]
    assert query.endswith("FOR NO KEY UPDATE")
    with transaction.atomic():
        assert Order.locked([]) == []


def test_what_was_not_loaded_comes_when_it_is_asked_for():
    (order_id,) = placed(1)
    with transaction.atomic():
        (order,) = Order.locked([order_id], "status")
    assert order.get_deferred_fields() >= {"email", "created_at"}
    assert order.email == "a@example.com"
    assert not order._state.adding


def test_a_batch_of_which_little_is_loaded_needs_no_more_statements():
    ids = placed(20)
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        orders = Order.locked(ids, "status", "total", "currency")
        for order in orders:
            order.confirm()
        save_all(orders, ("status",))
    assert len([one for one in queries if "SAVEPOINT" not in one["sql"]]) == 4  # load, rows, events, deliveries
    assert set(Order.objects.values_list("status", "version")) == {("confirmed", 2)}
    assert StoredEvent.objects.filter(type="order.confirmed").count() == 20


def test_what_is_saved_is_what_is_loaded():
    order = an_order()
    order.shipping_address = {"city": 'B"er\\lin, {}', "lines": [1, None]}
    order.email = 'a"\\,{}NULL@example.com'
    order.save()
    order.status, order.cancel_detail = Status.CANCELLED, "NULL"
    order.save()
    found = Order.objects.get(id=order.id)
    names = [field.attname for field in Order._meta.concrete_fields]
    assert [getattr(found, name) for name in names] == [getattr(order, name) for name in names]


@pytest.mark.parametrize("fields", [None, ("cancel_reason",)])
def test_what_is_too_long_is_refused_and_not_cut_off(fields):
    order = an_order()
    if fields:
        order.save()
    order.cancel_reason = "x" * 101
    with pytest.raises(DatabaseError, match="too long"), transaction.atomic():
        order.save(update_fields=fields)


def test_many_keys_are_looked_up_in_the_index():
    ids = placed(500)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE orders_order")
    plan = Order.objects.filter(pk__among=ids).order_by().explain()
    assert "order_pkey" in plan, plan
