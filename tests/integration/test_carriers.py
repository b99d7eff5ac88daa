"""A carrier's tracking messages deliver orders: through the inbox, the log and a delivery to the orders service."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from events.log.verify import differences
from events.models import Attempt, Delivery, StoredEvent
from events.testing import Broker, drain
from orders.errors import UnknownParcel
from orders.events import Goods
from orders.fulfilment.parcels import deliver_parcel
from orders.fulfilment.service import deliver, ship
from orders.models import Order, Shipment
from orders.services import request_cancellation
from publishing.inbox.intake import take
from tests import stories
from tests.inbox import arrived, binary, parcel, plain

pytestmark = pytest.mark.django_db(transaction=True)
SUBSCRIBER = "orders.parcel_delivered"


@pytest.fixture(autouse=True)
def _whole_log(broker: Broker) -> Any:
    yield
    assert list(differences()) == []


def confirmed(lines: int = 1) -> Order:
    order = stories.placed(lines=lines)
    order.confirm()
    order.save()
    stories.settle_deliveries(order)
    return order


def shipped(*numbers: str, lines: int = 1) -> Order:
    """A parcel for each line, the last ones not shipped if there are fewer numbers than lines."""
    order = confirmed(lines)
    for line, number in enumerate(numbers):
        ship(order.id, [Goods(sku=f"MUG-{line}", quantity=2)], carrier="DHL", tracking_number=number)
    return order


def says(id_: str, number: str, **more: object) -> None:
    """The carrier sends it, and all that follows is done."""
    take([arrived(binary(id_, parcel(number, **more)))])
    drain()


def status(order: Order) -> str:
    return str(Order.objects.values_list("status", flat=True).get(id=order.id))


def delivered_by(order: Order) -> list[tuple[str, UUID | None]]:
    """The actors and causes of its delivery."""
    events = StoredEvent.objects.filter(stream=f"order:{order.id}", type="order.delivered")
    return [(event.actor, UUID(event.causation_id)) for event in events]


@pytest.mark.parametrize("name", ["DHL", "dhl"])
def test_the_parcel_delivers_the_order_once(name: str) -> None:
    order = shipped("JD0")
    says("1", "JD0", carrier=name)
    says("1", "JD0", carrier=name)
    says("2", "JD0", carrier=name)
    assert status(order) == "delivered"
    cause = StoredEvent.objects.filter(type="parcel.delivered").earliest("position")
    assert delivered_by(order) == [(f"carrier:{name}", cause.event_id)]
    assert set(Delivery.objects.filter(subscriber=SUBSCRIBER).values_list("state", flat=True)) == {"done"}
    assert Shipment.objects.get().delivered_at == datetime(2026, 1, 15, 10, 30, tzinfo=UTC)


def test_a_carrier_without_cloudevents_delivers_too() -> None:
    order = shipped("JD0")
    take([arrived(plain("1", "JD0"))])
    drain()
    assert status(order) == "delivered"


def test_an_order_in_parcels_is_delivered_with_the_last_one() -> None:
    order = shipped("JD0", "JD1", lines=2)
    says("1", "JD1")
    assert status(order) == "shipped"
    says("2", "JD0")
    assert status(order) == "delivered"
    assert len(delivered_by(order)) == 1


def test_what_is_not_shipped_yet_is_waited_for() -> None:
    order = shipped("JD0", lines=2)
    says("1", "JD0")
    assert status(order) == "partially_shipped"
    ship(order.id, [Goods(sku="MUG-1", quantity=2)], carrier="DHL", tracking_number="JD1")
    assert status(order) == "shipped"
    says("2", "JD1")
    assert status(order) == "delivered"


def test_cancelling_the_rest_of_an_order_whose_parcels_arrived_delivers_it() -> None:
    order = shipped("JD0", lines=2)
    says("1", "JD0")
    request_cancellation(order.id, reason="sold out")
    assert status(order) == "delivered"


def test_a_message_before_its_shipment_is_tried_again(broker: Broker) -> None:
    order = confirmed()
    says("1", "JD0")
    attempt = Attempt.objects.get()
    assert "No shipment has the tracking number 'JD0'" in attempt.error
    assert Delivery.objects.get(subscriber=SUBSCRIBER).state == "pending"
    ship(order.id, [Goods(sku="MUG-0", quantity=2)], carrier="DHL", tracking_number="JD0")
    drain(through_retries=True)
    assert status(order) == "delivered"


def test_a_parcel_that_is_not_ours_becomes_a_dead_letter_with_its_reason() -> None:
    order = shipped("JD0")
    says("1", "XX9")
    drain(through_retries=True)
    delivery = Delivery.objects.get(subscriber=SUBSCRIBER)
    assert (delivery.state, delivery.attempts) == ("dead", 12)
    assert Attempt.objects.filter(error_type__endswith="UnknownParcel").count() == 12
    assert status(order) == "shipped"


def test_another_carrier_s_number_is_unknown() -> None:
    shipped("JD0")
    with pytest.raises(UnknownParcel):
        deliver_parcel("UPS", "JD0")


def test_what_staff_delivered_stays_as_it_is() -> None:
    order = shipped("JD0")
    deliver(order.id)
    says("1", "JD0")
    assert len(StoredEvent.objects.filter(type="order.delivered")) == 1
    assert Shipment.objects.get().delivered_at is not None
    assert status(order) == "delivered"


def test_a_parcel_is_found_by_an_index() -> None:
    with CaptureQueriesContext(connection) as queries, pytest.raises(UnknownParcel):
        deliver_parcel("DHL", "JD0")
    with connection.cursor() as cursor:
        (found,) = [query["sql"] for query in queries if "tracking_number" in query["sql"]]
        cursor.execute(f"EXPLAIN {found}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "shipment_tracking" in plan, plan
