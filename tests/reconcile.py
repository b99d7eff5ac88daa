"""Compares everything with everything, after all has settled: the rows, the log, the processor's books, the mail."""

from __future__ import annotations

import email
import json
import urllib.request
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from django.db.models import Count, Max, Sum

from events.models import Delivery, DeliveryState, StoredEvent
from inventory.models import Hold, ReservationState, Stock
from notifications.models import Notification
from orders.models import Order, OrderLine
from payments.models import Payment
from sagas.models import SagaRun

SETTLED = {"confirmed", "cancelled"}


def reconcile(stocked: dict[str, int], sandbox_url: str, mail_dir: Path) -> list[str]:
    """All that does not add up, as sentences; empty means every fact agrees with every other.

    `stocked` is what was on hand of each SKU before the first order.
    """
    orders = {
        str(id_): (status, version) for id_, status, version in Order.objects.values_list("id", "status", "version")
    }
    return [
        *_unsettled(orders),
        *_log(orders),
        *_stock(stocked),
        *_money(orders, sandbox_url),
        *_mail(mail_dir),
    ]


def _unsettled(orders: dict[str, tuple[str, int]]) -> list[str]:
    open_orders = [id_ for id_, (status, _) in orders.items() if status not in SETTLED]
    runs = SagaRun.objects.filter(state__in=["running", "compensating", "stuck"]).values_list("id", "state")
    deliveries = Delivery.objects.exclude(state=DeliveryState.DONE).values_list("subscriber", "state")
    doubled = SagaRun.objects.values("saga", "subject").annotate(n=Count("id")).filter(n__gt=1)
    return [
        *(f"order {id_} is not settled" for id_ in open_orders),
        *(f"saga {id_} is {state}" for id_, state in runs),
        *(f"a delivery to {subscriber} is {state}" for subscriber, state in deliveries),
        *(f"{row['n']} runs of {row['saga']} for {row['subject']}" for row in doubled),
    ]


def _log(orders: dict[str, tuple[str, int]]) -> list[str]:
    problems = []
    streams = StoredEvent.objects.values("stream").annotate(last=Max("stream_version"), n=Count("position"))
    problems += [f"{row['stream']} has gaps" for row in streams if row["last"] != row["n"]]
    types: dict[str, list[str]] = defaultdict(list)
    for stream, type_ in (
        StoredEvent.objects.filter(stream__startswith="order:").order_by("position").values_list("stream", "type")
    ):
        types[stream.partition(":")[2]].append(type_)
    for id_, (status, version) in orders.items():
        expected = ["order.created", f"order.{status}"]
        if types[id_] not in (expected, ["order.created", "order.confirmed", "order.cancelled"]) or version != len(
            types[id_]
        ):
            problems.append(f"order {id_} is {status} at version {version}, and its log says {types[id_]}")
    return problems


def _stock(stocked: dict[str, int]) -> list[str]:
    now = dict(Stock.objects.values_list("product_id").annotate(total=Sum("on_hand")))
    held = Stock.objects.filter(held__gt=0).values_list("product_id", "held")
    sold = dict(OrderLine.objects.filter(order__status="confirmed").values_list("sku").annotate(total=Sum("quantity")))
    committed = dict(
        Hold.objects.filter(reservation__state=ReservationState.COMMITTED)
        .values_list("stock__product_id").annotate(total=Sum("quantity"))
    )  # fmt: skip
    return [
        *(f"{quantity} of {sku} are still held" for sku, quantity in held),
        *(
            f"{sku}: {before} - {sold.get(sku, 0)} sold is not {now.get(sku)}, {committed.get(sku, 0)} committed"
            for sku, before in stocked.items()
            if before - sold.get(sku, 0) != now.get(sku) or sold.get(sku, 0) != committed.get(sku, 0)
        ),
    ]


def _money(orders: dict[str, tuple[str, int]], sandbox_url: str) -> list[str]:
    problems = []
    books: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in _get(f"{sandbox_url}/v1/authorizations")["authorizations"]:
        books[row["reference"]].append(row)
    payments = {str(payment.order_id): payment for payment in Payment.objects.all()}
    totals = {str(id_): total for id_, total in Order.objects.values_list("id", "total")}
    for id_, (status, _) in orders.items():
        live = [row for row in books[id_] if row["status"] != "voided"]
        if status == "confirmed":
            right = len(live) == 1 and live[0]["status"] == "captured" and live[0]["amount"] == f"{totals[id_]:.2f}"
            right = right and payments[id_].status == "succeeded" and payments[id_].authorization_id == live[0]["id"]
        else:
            right = all(row["status"] == "captured" and row["refunded"] == row["amount"] for row in live)
            right = right and (id_ not in payments or payments[id_].status in {"failed", "voided", "refunded"})
        if not right:
            problems.append(f"order {id_} is {status}; the processor says {books[id_]}; we say {payments.get(id_)}")
    strangers = set(books) - set(orders)
    return [*problems, *(f"the processor knows of {id_}, which is no order" for id_ in strangers)]


def _mail(mail_dir: Path) -> list[str]:
    numbers = dict(Order.objects.values_list("number", "id"))
    subjects = [email.message_from_bytes(file.read_bytes())["Subject"] for file in mail_dir.glob("*.eml")]
    found = Counter((str(numbers[subject.split()[2]]), subject.rpartition(" ")[2]) for subject in subjects)
    told = StoredEvent.objects.filter(type__in=["order.confirmed", "order.cancelled"]).values_list("stream", "type")
    wanted = Counter((stream.partition(":")[2], type_.partition(".")[2]) for stream, type_ in told)
    unsent = Notification.objects.filter(sent_at=None).count()
    kept = Notification.objects.count()
    return [
        *(f"{count} mails too many about {what}" for what, count in (found - wanted).items()),
        *(f"no mail about {what}" for what, count in (wanted - found).items()),
        *([f"{unsent} notifications were not sent"] if unsent else []),
        *([f"{kept} notifications for {wanted.total()} events"] if kept != wanted.total() else []),
    ]


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as response:
        return json.load(response)
