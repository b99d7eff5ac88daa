"""Operations on orders: placing and cancelling. Each runs in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import prefetch_related_objects

from events import Refused
from events.db.model_signals import saving_is_heard
from events.log.aggregate import save_all
from orders.errors import StaleVersion
from orders.events import Goods, Item
from orders.fulfilment.parcels import deliver_if_arrived
from orders.models import OWED, Cancellation, CancellationLine, IllegalTransition, Order, OrderLine, Status
from orders.paid import refund_state
from orders.ports import Offer, offers
from orders.sagas import PlaceOrder
from orders.selectors import payments_of
from orders.steps import REQUESTED
from sagas.start import abort, lock_runs


class UnknownProduct(Refused):
    """A line names a product that is not for sale. `index` is the position of the line."""

    def __init__(self, index: int, sku: str) -> None:
        super().__init__("unknown-product", f"{sku!r} is not for sale. Remove it from the order.")
        self.index = index


class WrongCurrency(Refused):
    """A product has no price in the order's currency. `index` is the position of its line."""

    def __init__(self, index: int, offer: Offer, currency: str) -> None:
        super().__init__("wrong-currency", f"{offer.sku} is sold in {offer.price.currency}, not in {currency}.")
        self.index = index


@dataclass(frozen=True)
class Wanted:
    """A line as the customer requests it. The price comes from the catalogue."""

    sku: str
    quantity: int


@dataclass(frozen=True)
class Placement:
    """An order as the customer requests it."""

    customer_id: UUID
    currency: str
    email: str
    payment_token: str
    shipping_address: dict[str, str]
    items: Sequence[Wanted]


def place(placement: Placement) -> Order:
    """Accepts an order. Not idempotent. Raises UnknownProduct and WrongCurrency."""
    (outcome,) = place_each([placement])
    if isinstance(outcome, Refused):
        raise outcome
    return outcome


def place_each(placements: Sequence[Placement]) -> list[Order | Refused]:
    """Accepts many orders with a constant number of statements. Returns an order or a refusal for each placement."""
    outcomes = ordered(placements)
    orders = [outcome for outcome in outcomes if isinstance(outcome, Order)]
    with transaction.atomic(savepoint=False):
        save_all(orders)
        _insert([line for order in orders for line in order.lines.all()])
    return outcomes


def _insert(lines: Sequence[OrderLine]) -> None:
    """One statement, which sends no signals; one for each line where somebody listens to them."""
    if not saving_is_heard(OrderLine):
        OrderLine.objects.bulk_create(lines)
        return
    for line in lines:
        line.save(force_insert=True)


def ordered(placements: Sequence[Placement]) -> list[Order | Refused]:
    """Creates the orders with their lines without saving them; one statement reads the catalogue."""
    known = offers(sorted({item.sku for placement in placements for item in placement.items}))
    return [_ordered(placement, known) for placement in placements]


def _ordered(placement: Placement, known: Mapping[str, Offer]) -> Order | Refused:
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
    lines = [
        OrderLine(
            order=order, position=position, sku=item.sku, name=name,
            quantity=item.quantity, unit_price=item.unit_price.amount,
        )
        for position, (item, name) in enumerate(priced)
    ]  # fmt: skip
    # Fills the prefetch cache: the response shows the lines, and no query is needed to know them.
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


@dataclass(frozen=True)
class Cancelled:
    """The order after a cancellation. `part` is None if all of it is cancelled, or will be."""

    order: Order
    part: Cancellation | None = None


def request_cancellation(
    order_id: UUID, *, reason: str, items: Sequence[Goods] = (), expected_version: int | None = None
) -> Cancelled:
    """Cancels a confirmed order, the unshipped items of a partially shipped one, or asks a pending one's saga to stop.

    `items` are the items of a partially shipped order to cancel, by default all that are not shipped; other orders
    can only be cancelled as a whole. A pending order whose saga has passed its pivot is cancelled as soon as it is
    confirmed. Raises IllegalTransition, ImpossibleQuantity, Order.DoesNotExist, and StaleVersion if the order is not at
    `expected_version`.
    """
    with transaction.atomic():
        lock_runs(PlaceOrder.definition, order_id)
        order = Order.objects.select_for_update().get(id=order_id)
        if expected_version is not None and order.version != expected_version:
            raise StaleVersion(
                f"Order {order.number} is at version {order.version}, not {expected_version}. "
                "Read it again, then retry."
            )
        if items or order.status == Status.PARTIALLY_SHIPPED:
            return Cancelled(order, _cancel_items(order, items, reason))
        if order.status == Status.PENDING:
            order.cancel_request = reason[:200]
            order.save(update_fields=["cancel_request"])
            abort(PlaceOrder.definition, order_id, code=REQUESTED, reason=reason)
        else:
            order.cancel(reason)
            order.save(update_fields=["status", "cancel_reason", *OWED])
        return Cancelled(order)


def _cancel_items(order: Order, items: Sequence[Goods], reason: str) -> Cancellation:
    """The caller has locked the order, so these items cannot ship meanwhile. `CancelItems` does the rest."""
    prefetch_related_objects([order], "lines")
    wanted = items or [Goods(sku=line.sku, quantity=line.to_ship) for line in order.lines.all() if line.to_ship]
    cancellation = Cancellation(order=order, reason=reason)
    cancellation.refund = order.cancel_items(cancellation.id, wanted, reason).amount
    order.save(update_fields=["status", *OWED])
    cancellation.save(force_insert=True)
    lines = [(line, item.quantity) for line, item in order.with_lines(wanted)]
    CancellationLine.objects.bulk_create(
        CancellationLine(cancellation=cancellation, line=line, quantity=quantity) for line, quantity in lines
    )
    OrderLine.objects.bulk_update([line for line, _ in lines], ["cancelled_quantity"])
    deliver_if_arrived(order)
    return cancellation


def follow_refunds(order_ids: Sequence[UUID]) -> None:
    """Notes on each order what the log says of its refunds. Idempotent. Must run inside a transaction."""
    orders = Order.locked(sorted(set(order_ids)), *OWED)
    payments = payments_of([order.id for order in orders])
    for order in orders:
        state = refund_state(order.refund_due, payments.get(order.id))
        order.refund_status = state.status if state else ""
    Order.objects.unrecorded().bulk_update(orders, ["refund_status"])


__all__ = [
    "Cancelled", "IllegalTransition", "Placement", "StaleVersion", "UnknownProduct", "Wanted",
    "WrongCurrency", "follow_refunds", "ordered", "place", "place_each", "request_cancellation",
]  # fmt: skip
