"""Shipping, delivering, returning and refunding from the order's page in the admin."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from desk.models import Audit
from events.models import StoredEvent
from orderproject.models import User
from orders.events import Goods
from orders.fulfilment.service import deliver, return_items, ship
from orders.models import Cancellation, Order, RefundRequest, Return, Shipment
from orders.services import request_cancellation
from tests import stories

pytestmark = pytest.mark.django_db
TIMES = "\N{MULTIPLICATION SIGN}"


@pytest.fixture(autouse=True)
def _returns_without_approval(settings: Any) -> None:
    """Returns in steps are in test_returns_admin.py."""
    settings.RETURNS_AUTO_APPROVE = True


ACTIONS = ("ship", "deliver", "return", "refund", "cancel")


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
    order = stories.confirmed(lines=lines)  # type: ignore[arg-type]
    ship(order.id, [Goods(sku=f"MUG-{n}", quantity=1) for n in range(lines)], carrier="DHL", tracking_number="JD0140")
    request_cancellation(order.id, reason="sold out")
    deliver(order.id)
    return_items(order.id, [Goods(sku=f"MUG-{n}", quantity=1) for n in range(lines)], reason="too red")
    return order


def test_the_page_offers_what_the_status_allows() -> None:
    manager, order = member_of("order managers"), stories.confirmed()
    assert offered(manager, order) == {"ship", "refund", "cancel"}
    send(manager, "ship", order, carrier="DHL", tracking_number="1", line_0=1)
    assert offered(manager, order) == {"ship", "refund", "cancel"}
    send(manager, "ship", order, carrier="DHL", tracking_number="2", line_0=1)
    assert offered(manager, order) == {"deliver", "refund"}
    send(manager, "deliver", order)
    assert offered(manager, order) == {"return", "refund"}
    send(manager, "return", order, reason="too red", line_0=2)
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
    assert (line.who, line.action, line.target_ids) == ("order-managers", "ship", [str(order.id)])
    assert line.details == {"shipment": str(Shipment.objects.get().id)}
    assert StoredEvent.objects.get(type="order.shipped").actor.startswith("user:")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"line_0": 3}, "less than or equal to 2"),
        ({"line_0": -1}, "greater than or equal to 0"),
        ({"line_0": 0}, "Enter a quantity of at least 1 for at least one product."),
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
    answer = send(manager, "return", order, reason="too red")
    assert "is confirmed, so nothing of it can be returned" in answer.content.decode()
    assert not Return.objects.exists()


def test_a_return_is_written_down_with_its_reason() -> None:
    manager, order = member_of("order managers"), shipped()
    send(manager, "deliver", order)
    html = send(manager, "return", order, reason="too red", line_0=1).content.decode()
    assert "The return was requested." in html
    assert "9.90 EUR" in html
    line = Audit.objects.get(action="return")
    assert (line.reason, line.details) == ("too red", {"taken": str(Return.objects.get().id)})


def partly_shipped(lines: int = 2) -> Order:
    order = stories.confirmed(lines=lines)  # type: ignore[arg-type]
    ship(order.id, [Goods(sku="MUG-0", quantity=1)], carrier="DHL", tracking_number="JD0140")
    return order


def test_what_is_unshipped_is_cancelled_after_it_was_shown_with_its_refund() -> None:
    manager, order = member_of("order managers"), partly_shipped()
    first = manager.get(url_of("cancel", order)).context["form"]
    assert [first[f"line_{n}"].value() for n in range(2)] == [1, 2]
    asked = send(manager, "cancel", order, line_0=1, line_1=2, reason="sold out")
    html = asked.content.decode()
    for shown in (f"1 {TIMES} MUG-0", f"2 {TIMES} MUG-1", "Refund: 29.70 EUR", "Cancel permanently"):
        assert shown in html
    assert not Cancellation.objects.exists()
    hidden = {field.html_name: field.value() for field in asked.context["form"]}
    assert asked.context["form"].hidden_fields() == list(asked.context["form"])
    done = manager.post(url_of("cancel", order), {**hidden, "confirmed": "yes"}, follow=True).content.decode()
    assert "Cancelled. The refund and the restock follow." in done
    assert 'id="cancellations"' in done
    order.refresh_from_db()
    assert order.status == "shipped"
    line = Audit.objects.get(action="cancel")
    cancellation = Cancellation.objects.get()
    assert (line.reason, line.details) == ("sold out", {"cancellation": str(cancellation.id)})
    assert StoredEvent.objects.get(type="order.items_cancelled").actor.startswith("user:")
    again = manager.post(url_of("cancel", order), {**hidden, "confirmed": "yes"}, follow=True).content.decode()
    assert "so it cannot become cancelled" in again
    assert Cancellation.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"line_0": 2}, "less than or equal to 1"),
        ({"line_0": 0, "line_1": 0}, "Enter a quantity of at least 1 for at least one product."),
        ({"reason": ""}, "This field is required."),
    ],
)
def test_what_cannot_be_cancelled_is_said(fields: dict[str, Any], message: str) -> None:
    manager, order = member_of("order managers"), partly_shipped()
    answer = send(manager, "cancel", order, **{"line_0": 1, "line_1": 1, "reason": "r", "agreed": "yes", **fields})
    assert message in answer.content.decode()
    assert not Cancellation.objects.exists()


def test_who_saw_an_older_version_cancels_nothing() -> None:
    manager, order = member_of("order managers"), partly_shipped()
    fields = {"confirmed": "yes", "agreed": "yes", "version": 3, "line_1": 1, "reason": "r"}
    ship(order.id, [Goods(sku="MUG-1", quantity=1)], carrier="DHL", tracking_number="2")
    assert "is at version 4, not 3" in manager.post(url_of("cancel", order), fields, follow=True).content.decode()
    assert not Cancellation.objects.exists()


def test_who_wanted_to_cancel_all_sees_first_what_is_left() -> None:
    """Its page asked for all of the order, and a part was shipped meanwhile."""
    manager, order = member_of("order managers"), partly_shipped()
    fields = {"confirmed": "yes", "reason": "by mistake"}
    assert "What of it will not be shipped?" in manager.post(url_of("cancel", order), fields).content.decode()
    selected = {"action": "cancel_selected", "_selected_action": [str(order.id)], **fields}
    html = manager.post(reverse("admin:orders_order_changelist"), selected, follow=True).content.decode()
    assert "is partially shipped: open it to cancel what is unshipped." in html
    assert not Cancellation.objects.exists()


def test_the_warehouse_ships_and_delivers_and_takes_nothing_back() -> None:
    warehouse, order = member_of("warehouse"), stories.confirmed()
    assert offered(warehouse, order) == {"ship"}
    send(warehouse, "ship", order, carrier="DHL", tracking_number="1", line_0=2)
    send(warehouse, "deliver", order)
    assert offered(warehouse, order) == set()
    assert send(warehouse, "return", order, reason="r", line_0=1).status_code == 403


def test_auditors_only_look() -> None:
    auditor, order = member_of("auditors"), stories.confirmed()
    assert offered(auditor, order) == set()
    for deed in ("ship", "deliver", "return", "refund"):
        assert send(auditor, deed, order).status_code == 403


def test_an_unknown_order_leads_back_to_the_list() -> None:
    manager = member_of("order managers")
    for deed in ("ship", "deliver", "return", "refund"):
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
        assert 'id="cancellations"' in html
        assert 'id="returns"' in html
        assert str(order.returns.get().id) in html
        assert "order.returned" in html
    assert costs[0] == costs[1] <= 30


def test_a_refund_without_a_return_is_asked_for_once_and_written_down() -> None:
    manager, order = member_of("order managers"), stories.confirmed()
    form = manager.get(url_of("refund", order)).context["form"]
    assert form["amount"].help_text == f"At most {order.total} EUR"
    fields = {"confirmed": "yes", "version": 2, "amount": "5.00", "reason": "scratched"}
    html = manager.post(url_of("refund", order), fields, follow=True).content.decode()
    assert "Refund requested." in html
    assert "refund pending" in html
    assert str(RefundRequest.objects.get().id) in html
    again = manager.post(url_of("refund", order), fields, follow=True).content.decode()
    assert "is at version 3, not 2" in again
    line = Audit.objects.get(action="refund")
    assert (line.reason, line.details) == (
        "scratched", {"amount": "5.00 EUR", "refund": str(RefundRequest.objects.get().id)},
    )  # fmt: skip


@pytest.mark.parametrize("amount", ["0", "-1", "1.001", "19.81", "NaN"])
def test_an_impossible_refund_is_refused_on_its_page(amount: str) -> None:
    manager, order = member_of("order managers"), stories.confirmed()
    assert order.total == Decimal("19.80")
    answer = send(manager, "refund", order, amount=amount, reason="scratched")
    assert answer.context["form"].errors["amount"]
    assert not RefundRequest.objects.exists()
