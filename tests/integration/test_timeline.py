"""Events as the admin's timeline tells them: a line of text, and a colour."""

from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from events import Event
from events.models import StoredEvent
from events.timeline.describe import describe
from events.timeline.moments import timeline
from inventory.events import InventoryRejected, InventoryReserved
from orders.events import OrderCancelled, OrderConfirmed, OrderCreated


@pytest.mark.parametrize(
    ("event", "data", "line"),
    [
        (None, {}, ""),
        (OrderCancelled, {"orderId": "x", "detail": "", "reason": "card_declined", "wasConfirmed": False},
         "reason: card_declined · was confirmed: no"),
        (OrderConfirmed, {"total": {"amount": "19.80", "currency": "EUR"}}, "total: 19.80 EUR"),
        (InventoryReserved, {"allocations": [{"sku": "MUG", "quantity": 2, "warehouse": "BER"}]},
         "2 \N{MULTIPLICATION SIGN} MUG (warehouse BER)"),
        (InventoryRejected, {"shortages": [{"sku": "MUG", "wanted": 2, "available": 0}]},
         "MUG (wanted 2, available 0)"),
        (OrderCreated, {"items": [{"sku": "MUG", "quantity": 2, "unitPrice": {"amount": "1.50", "currency": "EUR"}}]},
         "2 \N{MULTIPLICATION SIGN} MUG (unit price 1.50 EUR)"),
        (None, {"codes": list("abcde")}, "a, b, c and 2 more"),
        (None, {"odd": {"nested": [1]}}, "odd: (nested [1])"),
        (None, {"allocations": [{"sku": "MUG", "quantity": 2}]}, "(sku MUG, quantity 2)"),
    ],
)  # fmt: skip
def test_an_event_in_a_line(event: type[Event] | None, data: dict[str, Any], line: str) -> None:
    assert describe(data, event) == line


@pytest.mark.parametrize(
    ("type_", "colour"),
    [
        ("order.created", "info"), ("order.confirmed", "success"), ("order.cancelled", "danger"),
        ("order.shipped", "success"), ("order.delivered", "success"), ("order.returned", "info"),
        ("order.items_cancelled", "danger"),
        ("inventory.reserved", "info"), ("inventory.rejected", "danger"), ("inventory.committed", "success"),
        ("inventory.low", "danger"), ("payment.authorized", "info"), ("payment.failed", "danger"),
        ("payment.succeeded", "success"), ("notification.sent", "success"), ("notification.failed", "danger"),
        ("nobody.declares_it", "info"),
    ],
)  # fmt: skip
def test_the_colour_of_an_event_on_the_timeline(type_: str, colour: str) -> None:
    event = StoredEvent(type=type_, version="1.0", data={}, time=timezone.now(), event_id=uuid4(), stream="order:x")
    (moment,) = timeline([event])
    assert moment.colour == colour


def test_a_long_line_is_cut() -> None:
    assert len(describe({"detail": "x" * 500})) == 160
