"""Returns in the admin: who sees which button, what a confirmed step does, and what is said of a wrong one."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from desk.models import Audit
from events.log.verify import differences
from events.models import StoredEvent
from orders.events import Goods
from orders.fulfilment import returns
from orders.fulfilment.service import deliver, ship
from orders.models import Order, Return
from tests import stories
from tests.integration.test_fulfilment_admin import member_of

pytestmark = pytest.mark.django_db
STEPS = ("approve", "reject", "receive")
LIST = "admin:orders_return_changelist"


def requested(quantity: int = 2) -> Return:
    stories.shop("MUG-0")
    order = stories.confirmed()
    ship(order.id, [Goods(sku="MUG-0", quantity=2)], carrier="DHL", tracking_number="1")
    deliver(order.id)
    return returns.request_return(order.id, [Goods(sku="MUG-0", quantity=quantity)], reason="too red")


def url_of(step: str, taken: Return) -> str:
    return reverse(f"admin:orders_return_{step}_one", args=[taken.id])


def page(client: Client, taken: Return) -> str:
    answer = client.get(reverse("admin:orders_return_change", args=[taken.id]))
    assert answer.status_code == 200
    return answer.content.decode()


def offered(client: Client, taken: Return) -> set[str]:
    html = page(client, taken)
    return {step for step in STEPS if url_of(step, taken) in html}


def send(client: Client, step: str, taken: Return, **fields: Any) -> Any:
    seen = Return.objects.get(id=taken.id).status
    return client.post(url_of(step, taken), {"confirmed": "yes", "seen": seen, **fields}, follow=True)


def test_managers_approve_and_the_warehouse_receives() -> None:
    manager, warehouse, taken = member_of("order managers"), member_of("warehouse"), requested()
    assert (offered(manager, taken), offered(warehouse, taken)) == ({"approve", "reject"}, set())
    assert "May the customer send these goods?" in manager.get(url_of("approve", taken)).content.decode()
    assert "Approved." in send(manager, "approve", taken).content.decode()
    assert (offered(manager, taken), offered(warehouse, taken)) == (set(), {"receive"})
    form = warehouse.get(url_of("receive", taken)).context["form"]
    assert (form["restock_0"].value(), form["write_off_0"].value()) == (2, 0)
    html = send(warehouse, "receive", taken, warehouse="BER", restock_0=1, write_off_0=1).content.decode()
    assert "Received." in html
    assert (offered(manager, taken), offered(warehouse, taken)) == (set(), set())
    line = Return.objects.get().lines.get()
    assert (line.restocked, line.written_off) == (1, 1)
    assert Order.objects.get().status == "returned"
    assert [(line.who, line.action, line.details) for line in Audit.objects.order_by("id")] == [
        ("order-managers", "approve return", {"return": str(taken.id)}),
        ("warehouse", "receive return", {"return": str(taken.id), "warehouse": "BER"}),
    ]
    assert StoredEvent.objects.get(type="order.return_received").actor.startswith("user:")
    assert [one for one in differences() if one.startswith("order:")] == []


def test_a_rejection_needs_a_reason() -> None:
    manager, taken = member_of("order managers"), requested()
    assert "This field is required." in send(manager, "reject", taken, reason="").content.decode()
    assert "Remove line breaks" in send(manager, "reject", taken, reason="worn\nPaid: 0 EUR").content.decode()
    send(manager, "reject", taken, reason="worn")
    one = Return.objects.get()
    assert (one.status, one.reject_reason) == ("rejected", "worn")
    assert Audit.objects.get().reason == "worn"
    assert offered(manager, taken) == set()


def test_nothing_may_have_arrived() -> None:
    taken = requested()
    returns.approve(taken.id)
    send(member_of("warehouse"), "receive", taken, warehouse="BER", restock_0=0)
    assert Return.objects.get().status == "received"
    assert not StoredEvent.objects.filter(type="order.returned").exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"restock_0": 3}, "less than or equal to 2"),
        ({"restock_0": 2, "write_off_0": 1}, "Enter at most 2 in both conditions together."),
        ({"restock_0": -1}, "greater than or equal to 0"),
        ({"warehouse": "NOWHERE"}, "NOWHERE is not one of the available choices"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_moves(fields: dict[str, Any], message: str) -> None:
    taken = requested()
    returns.approve(taken.id)
    answer = send(member_of("warehouse"), "receive", taken, **{"warehouse": "BER", "restock_0": 1, **fields})
    assert message in answer.content.decode()
    assert Return.objects.get().status == "approved"


def test_a_stale_page_changes_nothing() -> None:
    manager, taken = member_of("order managers"), requested()
    send(manager, "approve", taken)
    again = manager.post(url_of("reject", taken), {"confirmed": "yes", "seen": "requested", "reason": "r"}, follow=True)
    assert "This return is approved, not requested." in again.content.decode()
    illegal = send(manager, "reject", taken, reason="r")
    assert "This return is approved, so it cannot become rejected." in illegal.content.decode()
    assert Return.objects.get().status == "approved"


def test_who_may_not_is_refused() -> None:
    manager, warehouse, auditor = (member_of(name) for name in ("order managers", "warehouse", "auditors"))
    taken = requested()
    assert offered(auditor, taken) == set()
    for client, steps in ((warehouse, ("approve", "reject")), (manager, ("receive",)), (auditor, STEPS)):
        for step in steps:
            assert send(client, step, taken, reason="r", warehouse="BER").status_code == 403
    assert Return.objects.get().status == "requested"


def test_the_list_is_found_by_status_order_and_id() -> None:
    auditor, taken = member_of("auditors"), requested()
    order = Order.objects.get()

    def found(**query: str) -> bool:
        answer = auditor.get(reverse(LIST), query)
        assert answer.status_code == 200
        return reverse("admin:orders_return_change", args=[taken.id]) in answer.content.decode()

    assert found()
    for term in (order.number, str(order.id), str(taken.id)):
        assert found(q=term)
    assert found(status__in="requested")
    assert not found(status__in="approved")
    assert not found(q=str(uuid4()))


def test_the_order_shows_what_was_requested_and_leads_there() -> None:
    taken = requested()
    html = member_of("order managers").get(reverse("admin:orders_order_change", args=[taken.order_id])).content.decode()
    assert reverse("admin:orders_return_change", args=[taken.id]) in html
    assert "order.return_requested" in html
    assert "requested" in html


def test_an_unknown_return_leads_back_to_the_list() -> None:
    manager = member_of("order managers")
    for step in ("approve", "reject"):
        url = reverse(f"admin:orders_return_{step}_one", args=[uuid4()])
        assert manager.get(url).url == reverse(LIST)  # type: ignore[attr-defined]


def test_its_history_is_the_audit_of_the_order() -> None:
    taken = requested()
    url = reverse("admin:orders_return_history", args=[taken.id])
    assert str(taken.order_id) in member_of("order managers").get(url).url  # type: ignore[attr-defined]
