"""Reading orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from django.db.models import OuterRef, Prefetch, QuerySet, Subquery
from django.db.models.fields.json import KT

from events import Money
from events.fold import as_of
from events.models import StoredEvent
from events.typed import convert, decoder
from orders import sql
from orders.evolve import OrderState
from orders.models import Order, OrderLine

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
    """Orders with their lines: two statements for any number of them."""
    return Order.objects.prefetch_related(Prefetch("lines", OrderLine.objects.order_by("position")))


def visible_to(customer_id: UUID, *, everything: bool) -> QuerySet[Order]:
    """A customer sees its own, whoever may see orders sees all."""
    return orders() if everything else orders().filter(customer_id=customer_id)


SKEW = timedelta(minutes=1)
"""An order's id holds the time too: it is read from the same clock a moment later, if nobody sets it meanwhile."""


def created_after(queryset: QuerySet[Order], moment: datetime) -> QuerySet[Order]:
    """Exclusive. The ids bound the scan, for which `created_at` would need an index of its own."""
    return queryset.filter(created_at__gt=moment, id__gte=_first_id(moment, -SKEW))


def created_before(queryset: QuerySet[Order], moment: datetime) -> QuerySet[Order]:
    """Exclusive; see `created_after`."""
    return queryset.filter(created_at__lt=moment, id__lt=_first_id(moment, SKEW))


def _first_id(moment: datetime, skew: timedelta) -> UUID:
    """The smallest UUID of version 7 of that millisecond."""
    milliseconds = int((moment.timestamp() + skew.total_seconds()) * 1000)
    return UUID(int=min(max(milliseconds, 0), 2**48 - 1) << 80)


def with_sku(queryset: QuerySet[Order], sku: str) -> QuerySet[Order]:
    """Orders with a line of this product: it stands in an order once, so a join finds each of them once."""
    return queryset.filter(lines__sku=sku)


def history_of(order_id: UUID) -> QuerySet[StoredEvent]:
    """The order's own stream, in order of version."""
    return StoredEvent.objects.filter(stream=f"order:{order_id}").order_by("stream_version")


@dataclass(frozen=True)
class Past:
    """An order as it was when one of its events had just happened, and the last event of its payment by then."""

    event: StoredEvent
    state: OrderState
    payment: StoredEvent | None


def as_it_was(order: Order, version: int) -> Past:
    """The fold of the order's stream up to this version. Raises NoSuchVersion."""
    state = as_of(order, version)
    event = history_of(order.id).get(stream_version=version)
    return Past(event, state, payments_of([order.id], until=event.position).get(order.id))


def payments_of(order_ids: Sequence[UUID], *, until: int | None = None) -> dict[UUID, StoredEvent]:
    """The last event of each order's payment, from the log: one step of its unique index per order.

    `until` is the position of the last event that counts. Each has `failure`, why the payment failed, also where
    something came after that; None if it did not fail.
    """
    streams = [f"payment:{order_id}" for order_id in order_ids]
    known = StoredEvent.objects.all() if until is None else StoredEvent.objects.filter(position__lte=until)
    failed = known.filter(stream=OuterRef("stream"), type="payment.failed").order_by("-stream_version")
    last = (
        known.filter(stream__in=streams)
        .order_by("stream", "-stream_version")
        .distinct("stream")
        .annotate(failure=Subquery(failed.values(reason=KT("data__reason"))[:1]))
    )
    return {UUID(event.stream.partition(":")[2]): event for event in last}


def totals_of(order_ids: Sequence[UUID]) -> dict[UUID, Money]:
    """What orders came to when they were placed, from the log alone: the first event of each order's stream."""
    if not order_ids:
        return {}
    placed = StoredEvent.objects.filter(stream__in=[f"order:{id_}" for id_ in order_ids], stream_version=1)
    totals = placed.values_list("stream", "data__total")
    return {UUID(stream.partition(":")[2]): convert(total, Money) for stream, total in totals}


def story_of(order_id: UUID) -> list[StoredEvent]:
    """All that happened for an order, in every service, in the order in which it was recorded."""
    streams = [f"{kind}:{order_id}" for kind in ("order", "inventory", "payment", "notification")]
    return list(StoredEvent.objects.filter(stream__in=streams).order_by("position"))


FOLLOWED = ("order", "payment")
"""The kinds of streams that the order's customer may follow. What warehouses and mail servers do is internal."""


def owners_of(streams: Sequence[str]) -> Mapping[str, UUID]:
    """The customers of those streams that a customer may follow."""
    by_order: dict[UUID, list[str]] = {}
    for stream in streams:
        kind, _, subject = stream.partition(":")
        if kind in FOLLOWED:
            by_order.setdefault(UUID(subject), []).append(stream)
    customers = dict(Order.objects.filter(id__in=list(by_order)).values_list("id", "customer_id"))
    return {stream: customer for id_, customer in customers.items() for stream in by_order[id_]}


def streams_of(customer_id: UUID) -> list[str]:
    """All streams that this customer may follow."""
    ids = Order.objects.filter(customer_id=customer_id).values_list("id", flat=True)
    return [f"{kind}:{id_}" for id_ in ids for kind in FOLLOWED]


class Address(msgspec.Struct, rename="camel"):
    """As it is stored, for reading; what is missing is empty."""

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
    """What an e-mail says of an order; money as text."""

    number: str
    email: str
    currency: str
    total: str
    address: Address
    cancel_text: str
    lines: list[SummaryLine]


def summaries(order_ids: Sequence[UUID]) -> Mapping[UUID, Summary]:
    """What an e-mail says of each order; two statements."""
    found: dict[UUID, Summary] = {}
    for id_, number, email, currency, total, address, reason, detail in sql.heads(order_ids):
        cancelled = REASONS.get(reason, detail or reason)
        found[id_] = Summary(number, email, currency, f"{total} {currency}", _address(address), cancelled, [])
    for id_, sku, name, quantity, price in sql.lines(list(found)):
        order = found[id_]
        order.lines.append(SummaryLine(sku, name, quantity, f"{price * quantity} {order.currency}"))
    return found


_address = decoder(Address).decode
