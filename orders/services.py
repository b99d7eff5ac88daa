"""What can be done with orders, each in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from events import Refused
from events.aggregate import save_all
from orders.events import Item
from orders.models import IllegalTransition, Order, OrderLine, Status
from orders.ports import Offer, offers
from sagas.start import abort, hold


class UnknownProduct(Refused):
    """A line names a product that is not for sale; `index` says which line."""

    def __init__(self, index: int, sku: str) -> None:
        super().__init__("unknown-product", f"{sku!r} is not for sale.")
        self.index = index


class WrongCurrency(Refused):
    """A line's product has no price in the order's currency; `index` says which line."""

    def __init__(self, index: int, offer: Offer, currency: str) -> None:
        super().__init__("wrong-currency", f"{offer.sku} is sold in {offer.price.currency}, not in {currency}.")
        self.index = index


class TotalTooLarge(Refused):
    """The order comes to more than an order can: it must be split."""


MOST = Decimal(10) ** 12
"""What an order must stay below, in its currency: its column holds no more."""


@dataclass(frozen=True)
class Wanted:
    """A line as the customer asks for it; the price is the catalogue's to say."""

    sku: str
    quantity: int


@dataclass(frozen=True)
class Placement:
    """An order as the customer asks for it."""

    customer_id: UUID
    currency: str
    email: str
    payment_token: str
    shipping_address: dict[str, str]
    items: Sequence[Wanted]


def place(placement: Placement) -> Order:
    """Raises UnknownProduct, WrongCurrency or TotalTooLarge."""
    (outcome,) = place_each([placement])
    if isinstance(outcome, Refused):
        raise outcome
    return outcome


def place_each(placements: Sequence[Placement]) -> list[Order | Refused]:
    """Accepts many orders with a constant number of statements; a refusal stands in its order's place."""
    outcomes = ordered(placements)
    orders = [outcome for outcome in outcomes if isinstance(outcome, Order)]
    with transaction.atomic(savepoint=False):
        save_all(orders)
        OrderLine.objects.bulk_create([line for order in orders for line in order.lines.all()])
    return outcomes


def ordered(placements: Sequence[Placement]) -> list[Order | Refused]:
    """The orders as they would be placed now, with their lines, not yet saved; one statement."""
    known = offers(sorted({item.sku for placement in placements for item in placement.items}))
    return [_ordered(placement, known) for placement in placements]


def _ordered(placement: Placement, known: Mapping[str, Offer]) -> Order | Refused:
    """The order with its lines, not yet saved."""
    try:
        priced = _priced(placement, known)
    except Refused as refused:
        return refused
    order = Order.place(
        customer_id=placement.customer_id,
        email=placement.email,
        payment_token=placement.payment_token,
        shipping_address=placement.shipping_address,
        items=tuple(item for item, _ in priced),
    )
    if order.total >= MOST:
        return TotalTooLarge("total-too-large", "The total is more than one order can come to: split it.")
    lines = [
        OrderLine(
            order=order, position=position, sku=item.sku, name=name,
            quantity=item.quantity, unit_price=item.unit_price.amount,
        )
        for position, (item, name) in enumerate(priced)
    ]  # fmt: skip
    # As if prefetched: the answer shows the lines, and they are known.
    vars(order)["_prefetched_objects_cache"] = {"lines": lines}
    return order


def _priced(placement: Placement, known: Mapping[str, Offer]) -> list[tuple[Item, str]]:
    priced = []
    for index, wanted in enumerate(placement.items):
        offer = known.get(wanted.sku)
        if offer is None:
            raise UnknownProduct(index, wanted.sku)
        if offer.price.currency != placement.currency:
            raise WrongCurrency(index, offer, placement.currency)
        priced.append((Item(sku=offer.sku, quantity=wanted.quantity, unit_price=offer.price), offer.name))
    return priced


def request_cancellation(
    order_id: UUID, *, reason: str, detail: str = "", expected_version: int | None = None
) -> Order:
    """Cancels a confirmed order, or asks the saga of a pending one to turn back.

    A pending order whose saga is past its pivot is cancelled as soon as it is confirmed. Raises
    IllegalTransition, Order.DoesNotExist, and StaleVersion if the order is not at `expected_version`.
    """
    from orders.sagas import PlaceOrder

    with transaction.atomic():
        hold(PlaceOrder, order_id)
        order = Order.objects.select_for_update().get(id=order_id)
        if expected_version is not None and order.version != expected_version:
            raise StaleVersion(f"order {order.number} is at version {order.version}, not {expected_version}")
        if order.status == Status.PENDING:
            order.cancel_request, order.cancel_detail = reason[:200], detail
            order.save(update_fields=["cancel_request", "cancel_detail"])
            abort(PlaceOrder, order_id, code=reason, reason=detail or reason)
        else:
            order.cancel(reason, detail)
            order.save(update_fields=["status", "cancel_reason", "cancel_detail"])
        return order


class StaleVersion(Exception):
    """The order has changed since the caller read it: read it again."""


__all__ = [
    "IllegalTransition", "Placement", "StaleVersion", "TotalTooLarge", "UnknownProduct", "Wanted", "WrongCurrency",
    "ordered", "place", "place_each", "request_cancellation",
]  # fmt: skip
