"""Templates of the rows of one confirmed order in every table, as lines for COPY. Pure and deterministic.

The project's own code encodes the events, once per pair of products. The values that differ from order to order are
placeholders in the text, which `bench.growth.history` fills in.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from bench.growth.text import (
    AUTHORIZATION,
    CONFIRMED,
    CORRELATION,
    CUSTOMER,
    LEASE,
    MAIL,
    NUMBER,
    ORDER,
    PLACED,
    RUN,
    SENT,
    TRACE,
    Open,
    as_json,
    event_id,
    line,
    moment,
    position,
)  # fmt: skip
from events import Event, Money
from events.declare.codec import encode
from events.declare.subscribers import listeners
from events.log.append import source_of
from inventory.events import Allocation, InventoryCommitted, InventoryReserved
from notifications.events import NotificationSent
from orders.events import Item, OrderConfirmed, OrderCreated
from orders.sagas import PlaceOrder
from payments.events import PaymentAuthorized, PaymentSucceeded
from payments.steps import authorize_payment
from sagas.values import NetworkAction

ADDRESS = {"name": "Ada", "line1": "1 Mill Lane", "city": "Berlin", "postalCode": "10115", "country": "DE"}
EMAIL = "ada@example.com"

COLUMNS = {
    "orders_order": "version id number customer_id email currency total shipping_address payment_token status"
    " cancel_request cancel_reason cancel_detail created_at updated_at",
    "orders_orderline": "position sku name quantity unit_price shipped_quantity returned_quantity"
    " cancelled_quantity order_id",
    "inventory_reservation": "version order_id state expires_at",
    "inventory_hold": "quantity reservation_id stock_id restocked written_off",
    "payments_payment": "version order_id token amount currency refunded status reason authorization_key"
    " authorization_id created_at updated_at",
    "notifications_notification": "id order_id about kind recipient subject text html created_at sent_at error",
    "events_storedevent": "event_id stream stream_version type version data source actor correlation_id causation_id"
    " traceparent time",
    "events_delivery": "event_id subscriber state due_at lease leases attempts done_at",
    "sagas_sagarun": "id saga subject state aborted reason_code reason correlation_id causation_id actor traceparent"
    " started_at finished_at",
    "sagas_sagastep": "run_id name state attempts unanswered error_code error begun_at done_at",
}
"""The columns of each table, without generated ids, which PostgreSQL assigns in the sequence of the lines."""


@dataclass(frozen=True)
class Article:
    """A product and the stock row that its holds come from."""

    sku: str
    name: str
    price: Decimal
    currency: str
    warehouse: str
    stock_id: int


@dataclass(frozen=True)
class RowTemplate:
    """The rows of an order of these articles, in quantities of 1, 2, …"""

    articles: tuple[Article, ...]

    @cached_property
    def money(self) -> Money:
        return Money(self.total, self.articles[0].currency)

    @property
    def total(self) -> Decimal:
        return sum((article.price * quantity for article, quantity in self.lines), Decimal(0))

    @property
    def lines(self) -> list[tuple[Article, int]]:
        return [(article, quantity) for quantity, article in enumerate(self.articles, start=1)]

    @cached_property
    def events(self) -> list[tuple[Event, int]]:
        """The events in the sequence of the log, each with its version in its stream."""
        allocations = tuple(Allocation(sku=a.sku, warehouse=a.warehouse, quantity=n) for a, n in self.lines)
        items = tuple(Item(sku=a.sku, quantity=n, unit_price=Money(a.price, a.currency)) for a, n in self.lines)
        return [
            (OrderCreated(order_id=ORDER, customer_id=CUSTOMER, items=items, total=self.money), 1),
            (InventoryReserved(order_id=ORDER, allocations=allocations), 1),
            (PaymentAuthorized(order_id=ORDER, amount=self.money, authorization_id=AUTHORIZATION), 1),
            (PaymentSucceeded(order_id=ORDER, amount=self.money), 2),
            (InventoryCommitted(order_id=ORDER, allocations=allocations), 2),
            (OrderConfirmed(order_id=ORDER, total=self.money), 2),
            (NotificationSent(order_id=ORDER, notification_id=MAIL, kind="confirmation"), 1),
        ]

    def text(self, table: str) -> str:
        """The lines of one order in this table, with `%` placeholders."""
        rows: list[list[Any]] = getattr(self, f"_{table}")()
        return "".join(line(row) for row in rows)

    def _orders_order(self) -> list[list[Any]]:
        return [
            [
                *(2, ORDER, NUMBER, CUSTOMER, EMAIL, self.money.currency, self.total, as_json(ADDRESS), "tok_visa"),
                *("confirmed", "", "", "", PLACED, CONFIRMED),
            ]
        ]

    def _orders_orderline(self) -> list[list[Any]]:
        return [
            [place, article.sku, article.name, quantity, article.price, 0, 0, 0, ORDER]
            for place, (article, quantity) in enumerate(self.lines)
        ]

    def _inventory_reservation(self) -> list[list[Any]]:
        return [[2, ORDER, "committed", PLACED]]

    def _inventory_hold(self) -> list[list[Any]]:
        return [[quantity, ORDER, article.stock_id, 0, 0] for article, quantity in self.lines]

    def _payments_payment(self) -> list[list[Any]]:
        key = Open(f"{RUN}:{authorize_payment.name}")
        return [
            [
                *(2, ORDER, "tok_visa", self.total, self.money.currency, 0, "succeeded", "", key),
                *(AUTHORIZATION, PLACED, CONFIRMED),
            ]
        ]

    def _notifications_notification(self) -> list[list[Any]]:
        content = ["confirmation", EMAIL, f"Your order {NUMBER} is confirmed", *self._bodies()]
        return [[MAIL, ORDER, ORDER, *content, CONFIRMED, SENT, ""]]

    def _bodies(self) -> tuple[str, str]:
        """The text and HTML of the e-mail, similar to those of the real templates and of similar length."""
        to = f"{ADDRESS['name']}, {ADDRESS['line1']}, {ADDRESS['postalCode']} {ADDRESS['city']}, {ADDRESS['country']}"
        goods = [(str(n), article.name, f"{article.price * n} {article.currency}") for article, n in self.lines]
        plain = "\n".join("  ".join(row) for row in [*goods, ("", "Total", str(self.money))])
        rows = "\n".join(
            f'<tr><td align="right">{n} x</td><td>{name}</td><td>{money}</td></tr>' for n, name, money in goods
        )
        return (
            f"Hello Ada,\n\nyour order {NUMBER} is confirmed:\n\n{plain}\n\nWe ship to:\n  {to}\n",
            f'<!doctype html>\n<html lang="en"><body style="font-family: sans-serif; color: #222">\n'
            f'<h1 style="font-size: 1.2em">Your order {NUMBER} is confirmed</h1>\n<p>Hello Ada,</p>\n'
            f'<table cellpadding="6" style="border-collapse: collapse">\n{rows}\n'
            f"<tr><td></td><td><strong>Total</strong></td><td><strong>{self.money}</strong></td></tr>\n</table>\n"
            f"<p>We ship to {to}.</p>\n</body></html>\n",
        )

    def _events_storedevent(self) -> list[list[Any]]:
        return [
            [
                *(event_id(place), event.stream, version, event.type, event.version, encode(event), source_of(event)),
                *("customer", CORRELATION, self._cause(place), TRACE),
                moment(place + 1),
            ]
            for place, (event, version) in enumerate(self.events)
        ]

    def _cause(self, place: int) -> Open:
        """The id of the causing event: the first event for the saga's events, the confirmation for the e-mail."""
        caused_by = 0 if place < len(self.events) - 1 else place - 1
        return event_id(caused_by) if place else Open("")

    def _events_delivery(self) -> list[list[Any]]:
        return [
            [
                *(position(place), one.name, "done", SENT, LEASE, 1, 0, SENT),
            ]
            for place, (event, _) in enumerate(self.events)
            for one in listeners(type(event))
            if one.wanted is None
        ]

    def _sagas_sagarun(self) -> list[list[Any]]:
        return [
            [
                *(RUN, PlaceOrder.definition.name, ORDER, "done", False, "", "", CORRELATION),
                *(event_id(0), "customer", TRACE, PLACED, CONFIRMED),
            ]
        ]

    def _sagas_sagastep(self) -> list[list[Any]]:
        return [
            [
                *(RUN, name, "done", int(isinstance(step.do, NetworkAction)), 0, "", ""),
                *(PLACED, CONFIRMED),
            ]
            for name, step in PlaceOrder.definition.steps.items()
            if step.do is not None
        ]
