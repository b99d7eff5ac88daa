"""`verify_log` finds every row that its stream does not explain."""

from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from events.log.append import emit
from events.log.fold import NoSuchVersion, as_of
from events.log.verify import differences
from events.models import StoredEvent
from inventory.events import InventoryLow
from inventory.models import Hold, Reservation
from orders.events import Goods, OrderConfirmed
from orders.models import Order, OrderLine
from payments.models import Payment
from tests import stories

pytestmark = pytest.mark.django_db


def told() -> list[str]:
    return list(differences(batch=2))


def confirmed() -> Order:
    """With the hold that its reservation speaks of."""
    order = stories.confirmed()
    stock = stories.shop("MUG-0") if not Hold.objects.exists() else Hold.objects.all()[0].stock
    Hold.objects.create(reservation_id=order.id, stock=stock, quantity=2)
    return order


def test_rows_that_are_the_fold_of_their_streams():
    for _ in range(5):
        confirmed()
    pending = stories.placed()
    Payment.objects.unrecorded().bulk_create(
        [Payment(order_id=pending.id, token="t", amount=1, currency="EUR", authorization_key="k")]  # asked, no answer
    )
    emit([InventoryLow(sku="MUG-0", available=1, threshold=2)])
    assert told() == []
    out = StringIO()
    call_command("verify_log", stdout=out)
    assert "Every row equals the fold of its stream: Order, Reservation, Payment." in out.getvalue()


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (
            lambda: Order.objects.unrecorded().update(status="shipped"),
            "status is 'shipped' in the row, 'confirmed' in the log",
        ),
        (lambda: Order.objects.unrecorded().update(version=3), "the row is at version 3, its stream at 2"),
        (lambda: OrderLine.objects.update(shipped_quantity=1), "lines is (LineState("),
        (lambda: OrderLine.objects.all().delete(), "lines is () in the row, (LineState("),
        (
            lambda: Payment.objects.unrecorded().update(refunded=1),
            "refunded is Decimal('1') in the row, Decimal('0') in the log",
        ),
        (lambda: Payment.objects.unrecorded().update(version=0), "the row is at version 0, its stream at 2"),
        (
            lambda: Reservation.objects.unrecorded().update(state="held"),
            "state is 'held' in the row, 'committed' in the log",
        ),
        (lambda: Hold.objects.update(quantity=1), "allocated is {('MUG-0', 'BER'): 1} in the row,"),
        (lambda: Hold.objects.update(restocked=1), "restocked is {'MUG-0': 1} in the row, {} in the log"),
    ],
    ids=["status", "version", "line", "no lines", "refund", "no version", "reservation", "hold", "restocked"],
)
def test_a_row_that_was_changed_behind_the_log_is_named(spoil: Any, sentence: str):
    order = confirmed()
    spoil()
    (found,) = told()
    assert sentence in found
    assert str(order.id) in found
    with pytest.raises(CommandError, match="1 differences") as failed:
        call_command("verify_log", stdout=StringIO())
    assert failed.value.returncode == 1


def test_events_without_a_row_are_named():
    gone = uuid4()
    emit([OrderConfirmed(order_id=gone, total=stories.placed().money)])
    assert told() == [f"order:{gone}: the stream has events but no row"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"stream_version": 4}, "the stream's versions have gaps: [1, 2, 4]"),
        (
            {"stream_version": 3, "version": "9.0"},
            "version 3 cannot be decoded: no class is declared for order.confirmed 9.0",
        ),
    ],
    ids=["gap", "unknown"],
)
def test_a_log_that_cannot_be_read_is_named(changes: dict[str, Any], sentence: str):
    order = confirmed()
    last = StoredEvent.objects.get(stream=order.stream, stream_version=2)
    last.pk, last.event_id = None, uuid4()
    for name, value in changes.items():
        setattr(last, name, value)
    last.save(force_insert=True)
    Order.objects.unrecorded().update(version=3)
    (found,) = told()
    assert sentence in found


def test_a_log_that_cannot_have_been_is_named():
    order = stories.placed()
    never = Order(customer_id=order.customer_id, number="1", currency="EUR", total=1, created_at=order.created_at)
    never.record(OrderConfirmed(order_id=never.id, total=order.money))
    never.save()
    (found,) = told()
    assert f"order:{never.id}: its stream cannot be folded: TypeError('OrderConfirmed cannot follow None')" in found


def test_the_statements_grow_with_the_batches_and_not_with_the_rows():
    costs = []
    for count in (1, 9):
        for _ in range(count):
            confirmed()
        with CaptureQueriesContext(connection) as captured:
            assert list(differences(batch=100)) == []
        costs.append(len(captured))
    assert costs[0] == costs[1]


def test_a_stream_is_folded_up_to_a_version():
    order = stories.placed(lines=2)
    order.confirm()
    order.ship(uuid4(), [Goods(sku="MUG-0", quantity=1)], "DHL", "1")
    order.save()
    assert [as_of(order, version).status for version in (1, 2, 3)] == ["pending", "confirmed", "partially_shipped"]
    assert [line.shipped for line in as_of(order, 3).lines] == [1, 0]
    for version in (0, 4):
        with pytest.raises(NoSuchVersion, match=f"no version {version}: its last version is 3"):
            as_of(order, version)
