"""Queries that read orders, their events and their payments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec
from django.db.models import Prefetch, QuerySet

from desk.personal_data import FORGOTTEN_EMAIL
from events import Money
from events.declare.ids import first_id
from events.log.fold import as_of
from events.models import StoredEvent
from orders import sql
from orders.evolve import OrderState
from orders.models import Order, OrderLine, Return, ReturnLine
from orders.paid import Paid, Told, paid, refund_state
from web.typed import convert, decoder

REASONS = {
    "out_of_stock": "not everything you ordered is in stock.",
    "card_declined": "your card was declined.",
    "insufficient_funds": "your card was declined for insufficient funds.",
    "capture_failed": "your card could not be charged.",
    "turned_back_by_staff": "we had to cancel it; please ask us.",
    "authorize_payment_failed": "your bank did not answer.",
    "capture_payment_failed": "your bank did not answer.",
}


def orders() -> QuerySet[Order]:
    """Orders with their lines, in two statements for any number of orders."""
    return Order.objects.prefetch_related(Prefetch("lines", OrderLine.objects.order_by("position")))


def number_of(order_id: UUID) -> str:
    """The order's number. Raises LookupError if there is no such order."""
    number = Order.objects.filter(id=order_id).values_list("number", flat=True).first()
    if number is None:
        raise LookupError(f"no order has the id {order_id}")
    return number


def numbers(order_ids: Sequence[UUID]) -> Mapping[UUID, str]:
    """The numbers of these orders, by id."""
    return dict(Order.objects.filter(id__in=order_ids).values_list("id", "number"))


def visible_to(customer_id: UUID, *, everything: bool) -> QuerySet[Order]:
    """A customer sees its own orders. Staff with the permission to view orders (`everything`) see all."""
    return orders() if everything else orders().filter(customer_id=customer_id)


def returns_visible_to(customer_id: UUID, *, everything: bool) -> QuerySet[Return]:
    """Returns with their orders and lines, in two statements; a customer sees those of its own orders."""
    found = Return.objects.select_related("order").prefetch_related(
        Prefetch("lines", ReturnLine.objects.select_related("line").order_by("id"))
    )
    return found if everything else found.filter(order__customer_id=customer_id)


SKEW = 60.0
"""Seconds. An order's id holds the time too: it is read from the same clock a moment later, unless somebody sets it."""


def created_after(queryset: QuerySet[Order], moment: datetime) -> QuerySet[Order]:
    """Exclusive. The ids bound the scan, for which `created_at` would need an index of its own."""
    return queryset.filter(created_at__gt=moment, id__gte=first_id(moment.timestamp() - SKEW))


def created_before(queryset: QuerySet[Order], moment: datetime) -> QuerySet[Order]:
    """Exclusive; see `created_after`."""
    return queryset.filter(created_at__lt=moment, id__lt=first_id(moment.timestamp() + SKEW))


def with_sku(queryset: QuerySet[Order], sku: str) -> QuerySet[Order]:
    """Orders with a line of this product. A SKU occurs once per order, so the join yields no duplicates."""
    return queryset.filter(lines__sku=sku)


def history_of(order_id: UUID) -> QuerySet[StoredEvent]:
    """The events of the order's own stream, by version."""
    return StoredEvent.objects.filter(stream=f"order:{order_id}").order_by("stream_version")


@dataclass(frozen=True)
class OrderAtVersion:
    """An order as it was after one of its events, and its payment as it was then."""

    event: StoredEvent
    state: OrderState
    payment: Paid | None


def as_it_was(order: Order, version: int) -> OrderAtVersion:
    """Folds the order's stream up to this version. Raises NoSuchVersion."""
    state = as_of(order, version)
    event = history_of(order.id).get(stream_version=version)
    return OrderAtVersion(event, state, payments_of([order.id], until=event.position).get(order.id))


def payments_of(order_ids: Sequence[UUID], *, until: int | None = None) -> dict[UUID, Paid]:
    """Each order's payment as the log tells it, with one index lookup per order; orders without one are left out.

    Events after position `until` are ignored.
    """
    streams = [f"payment:{order_id}" for order_id in order_ids]
    known = StoredEvent.objects.all() if until is None else StoredEvent.objects.filter(position__lte=until)
    events = known.filter(stream__in=streams).order_by("stream", "stream_version")
    told: dict[str, list[Told]] = {}
    for stream, *event in events.values_list("stream", "stream_version", "type", "data"):
        told.setdefault(stream, []).append((event[0], event[1], event[2]))
    return {UUID(stream.partition(":")[2]): paid(of_stream) for stream, of_stream in told.items()}


def totals_of(order_ids: Sequence[UUID]) -> dict[UUID, Money]:
    """The totals of orders when they were placed, read from the first event of each order's stream."""
    if not order_ids:
        return {}
    placed = StoredEvent.objects.filter(stream__in=[f"order:{id_}" for id_ in order_ids], stream_version=1)
    totals = placed.values_list("stream", "data__total")
    return {UUID(stream.partition(":")[2]): convert(total, Money) for stream, total in totals}


def confirmed_among(order_ids: Sequence[UUID]) -> set[UUID]:
    """Those of these orders that were ever confirmed, as the log says."""
    if not order_ids:
        return set()
    confirmed = StoredEvent.objects.filter(stream__in=[f"order:{id_}" for id_ in order_ids], type="order.confirmed")
    return {UUID(stream.partition(":")[2]) for stream in confirmed.values_list("stream", flat=True)}


def events_of_order(order_id: UUID) -> list[StoredEvent]:
    """All events of an order in every service, in the sequence in which they were recorded."""
    streams = [f"{kind}:{order_id}" for kind in ("order", "inventory", "payment", "notification")]
    return list(StoredEvent.objects.filter(stream__in=streams).order_by("position"))


FOLLOWED = ("order", "payment")
"""The stream kinds that an order's customer can follow. Streams of inventory and notifications are internal."""


def owners_of(streams: Sequence[str]) -> Mapping[str, UUID]:
    """The customer of each stream that customers can follow. Other streams are left out."""
    by_order: dict[UUID, list[str]] = {}
    for stream in streams:
        kind, _, subject = stream.partition(":")
        if kind in FOLLOWED:
            by_order.setdefault(UUID(subject), []).append(stream)
    customers = dict(Order.objects.filter(id__in=list(by_order)).values_list("id", "customer_id"))
    return {stream: customer for id_, customer in customers.items() for stream in by_order[id_]}


def streams_of(customer_id: UUID) -> list[str]:
    """All streams that this customer can follow."""
    ids = Order.objects.filter(customer_id=customer_id).values_list("id", flat=True)
    return [f"{kind}:{id_}" for id_ in ids for kind in FOLLOWED]


class Address(msgspec.Struct, rename="camel"):
    """A stored address, decoded for the templates. Missing parts are empty."""

    name: str = ""
    line1: str = ""
    city: str = ""
    postal_code: str = ""
    country: str = ""


class SummaryLine(msgspec.Struct):
    sku: str
    name: str
    quantity: int
    line_total: str


class Summary(msgspec.Struct):
    """The data of an order for e-mails. Amounts are text.

    `refund_status` is empty if nothing was or is to be refunded; `refund` is what is missing or, if it has succeeded,
    what was refunded.
    """

    number: str
    email: str
    currency: str
    total: str
    address: Address
    cancel_text: str
    lines: list[SummaryLine]
    refund_status: str = ""
    refund: str = ""


def summaries(order_ids: Sequence[UUID]) -> Mapping[UUID, Summary]:
    """The order data for e-mails, by order id; two statements, and one more where money is to be refunded.

    Orders of forgotten customers are left out.
    """
    found: dict[UUID, Summary] = {}
    due: dict[UUID, Decimal] = {}
    for id_, number, email, currency, total, address, reason, detail, code, refund_due in sql.heads(order_ids):
        if email == FORGOTTEN_EMAIL:
            continue
        cancelled = REASONS.get(code, detail or reason)
        found[id_] = Summary(number, email, currency, str(Money(total, currency)), _address(address), cancelled, [])
        if refund_due:
            due[id_] = refund_due
    _add_refunds(found, due)
    for id_, sku, name, quantity, price in sql.lines(list(found)):
        order = found[id_]
        order.lines.append(SummaryLine(sku, name, quantity, str(Money(price * quantity, order.currency))))
    return found


def _add_refunds(found: Mapping[UUID, Summary], due: Mapping[UUID, Decimal]) -> None:
    payments = payments_of(list(due)) if due else {}
    for id_, amount in due.items():
        if state := refund_state(amount, payments.get(id_)):
            found[id_].refund_status, found[id_].refund = state.status, str(Money(state.amount, found[id_].currency))


_address = decoder(Address).decode
