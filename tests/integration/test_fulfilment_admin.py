"""Shipping, delivering and returning from the order's page in the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from events.models import Audit, StoredEvent
from orderproject.models import User
from orders.events import Goods
from orders.fulfilment import deliver, ship, take_back
from orders.models import Order, Return, Shipment
from tests import stories

pytestmark = pytest.mark.django_db
ACTIONS = ("ship", "deliver", "take_back", "cancel")


def member_of(group: str) -> Client:
    user = User.objects.create_user(group.replace(" ", "-"), password="x", is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    client = Client()
    client.force_login(user)
    return client


def url_of(deed: str, order: Order) -> str:
    return reverse(f"admin:orders_order_{deed}_one", args=[order.id])


def page(client: Client, order: Order) -> str:
    answer = client.get(reverse("admin:orders_order_change", args=[order.id]))
    assert answer.status_code == 200
    return answer.content.decode()


def offered(client: Client, order: Order) -> set[str]:
    html = page(client, order)
    return {deed for deed in ACTIONS if url_of(deed, order) in html}


def send(client: Client, deed: str, order: Order, **fields: Any) -> Any:
    version = Order.objects.get(id=order.id).version
    return client.post(url_of(deed, order), {"confirmed": "yes", "version": version, **fields}, follow=True)


def shipped(lines: int = 1) -> Order:
    order = stories.confirmed(lines=lines)  # type: ignore[arg-type]
    ship(order.id, [Goods(sku=f"MUG-{n}", quantity=2) for n in range(lines)], carrier="DHL", tracking_number="JD0140")
    return order


def returned(lines: int) -> Order:
    order = shipped(lines)
    deliver(order.id)
    take_back(order.id, [Goods(sku=f"MUG-{n}", quantity=1) for n in range(lines)], reason="too red")
    return order


def test_the_page_offers_what_the_status_allows() -> None:
    manager, order = member_of("order managers"), stories.confirmed()
    assert offered(manager, order) == {"ship", "cancel"}
    send(manager, "ship", order, carrier="DHL", tracking_number="1", line_0=1)
    assert offered(manager, order) == {"ship"}
    send(manager, "ship", order, carrier="DHL", tracking_number="2", line_0=1)
    assert offered(manager, order) == {"deliver"}
    send(manager, "deliver", order)
    assert offered(manager, order) == {"take_back"}
    send(manager, "take_back", order, reason="too red", line_0=2)
    assert offered(manager, order) == set()
    assert Order.objects.get().status == "returned"


def test_everything_that_is_left_is_shipped_unless_something_else_is_said() -> None:
    manager, order = member_of("order managers"), stories.confirmed(lines=2)  # type: ignore[arg-type]
    form = manager.get(url_of("ship", order)).context["form"]
    assert [form[f"line_{n}"].value() for n in range(2)] == [2, 2]
    html = send(manager, "ship", order, carrier="DHL", tracking_number="JD0140", line_0=2, line_1="").content.decode()
    assert "Shipped." in html
    assert "JD0140" in html
    assert Order.objects.get().status == "partially_shipped"
    line = Audit.objects.get()
    assert (line.actor, line.action, line.target_ids) == ("order-managers", "ship", [str(order.id)])
    assert line.details == {"shipment": str(Shipment.objects.get().id)}
    assert StoredEvent.objects.get(type="order.shipped").actor.startswith("staff:")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"line_0": 3}, "less than or equal to 2"),
        ({"line_0": -1}, "greater than or equal to 0"),
        ({"line_0": 0}, "Of at least one product there must be one."),
        ({"carrier": ""}, "This field is required."),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_shipped(fields: dict[str, Any], message: str) -> None:
    manager, order = member_of("order managers"), stories.confirmed()
    answer = send(manager, "ship", order, **{"carrier": "DHL", "tracking_number": "1", "line_0": 2, **fields})
    assert message in answer.content.decode()
    assert not Shipment.objects.exists()


def test_a_double_click_ships_once() -> None:
    manager, order = member_of("order managers"), stories.confirmed()
    fields = {"confirmed": "yes", "version": 2, "carrier": "DHL", "tracking_number": "1", "line_0": 1}
    manager.post(url_of("ship", order), fields)
    again = manager.post(url_of("ship", order), fields, follow=True).content.decode()
    assert "is at version 3, not 2" in again
    assert Shipment.objects.count() == 1


def test_who_was_slower_than_the_status_gets_a_message() -> None:
    manager, order = member_of("order managers"), stories.confirmed()
    assert "so it cannot become delivered" in send(manager, "deliver", order).content.decode()
    answer = send(manager, "take_back", order, reason="too red")
    assert "is confirmed, so nothing of it can be returned" in answer.content.decode()
    assert not Return.objects.exists()


def test_a_return_is_written_down_with_its_reason() -> None:
    manager, order = member_of("order managers"), shipped()
    send(manager, "deliver", order)
    html = send(manager, "take_back", order, reason="too red", line_0=1).content.decode()
    assert "Taken back." in html
    assert "9.90 EUR" in html
    line = Audit.objects.get(action="return")
    assert (line.reason, line.details) == ("too red", {"taken": str(Return.objects.get().id)})


def test_the_warehouse_ships_and_delivers_and_takes_nothing_back() -> None:
    warehouse, order = member_of("warehouse"), stories.confirmed()
    assert offered(warehouse, order) == {"ship"}
    send(warehouse, "ship", order, carrier="DHL", tracking_number="1", line_0=2)
    send(warehouse, "deliver", order)
    assert offered(warehouse, order) == set()
    assert send(warehouse, "take_back", order, reason="r", line_0=1).status_code == 403


def test_auditors_only_look() -> None:
    auditor, order = member_of("auditors"), stories.confirmed()
    assert offered(auditor, order) == set()
    for deed in ("ship", "deliver", "take_back"):
        assert send(auditor, deed, order).status_code == 403


def test_an_unknown_order_leads_back_to_the_list() -> None:
    manager = member_of("order managers")
    for deed in ("ship", "deliver", "take_back"):
        url = reverse(f"admin:orders_order_{deed}_one", args=["01a2075a-9ce7-75cd-acb6-7ea3d51a150c"])
        assert manager.get(url).status_code == 302


def test_shipments_and_returns_cost_the_same_with_one_line_and_with_fifty(client: Client) -> None:
    client.force_login(User.objects.create_superuser("boss", "boss@example.com", "boss"))
    costs = []
    for lines in (1, 50):
        order = returned(lines)
        page(client, order)
        with CaptureQueriesContext(connection) as queries:
            html = page(client, order)
        costs.append(len(queries))
        assert 'id="shipments"' in html
        assert 'id="returns"' in html
        assert f'<td colspan="4" class="faint">{order.returns.get().id}</td>' in html
        assert "order.returned" in html
    assert costs[0] == costs[1] <= 30
