"""Whether the processor's books, its idempotency keys among them, agree with our orders, payments and refunds."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Sum

from orders.models import Cancellation, Order, RefundRequest, Return
from payments.models import Payment, Refund
from tests.reconcile.statuses import KEPT

Books = dict[str, list[dict[str, Any]]]


def money(sandbox_url: str) -> list[str]:
    books: Books = defaultdict(list)
    for row in _get(f"{sandbox_url}/v1/authorizations")["authorizations"]:
        books[row["reference"]].append(row)
    performed = [row for row in _get(f"{sandbox_url}/v1/operations")["operations"] if row["status"] in {200, 201}]
    return [*_orders(books), *_keys(books), *_once(performed), *_refunds(performed)]


def _orders(books: Books) -> list[str]:
    """Whoever keeps goods has paid their price once; a cancelled order has paid nothing, or got all of it back."""
    problems = []
    payments = {str(payment.order_id): payment for payment in Payment.objects.all()}
    orders = {str(id_): (status, total) for id_, status, total in Order.objects.values_list("id", "status", "total")}
    received = Return.objects.filter(status__in=["received", "refunded"])
    back_of: Counter[UUID] = Counter()
    for rows, amount in ((received, "refund"), (Cancellation.objects, "refund"), (RefundRequest.objects, "amount")):
        back_of.update(dict(rows.values_list("order_id").annotate(total=Sum(amount))))
    for id_, (status, total) in orders.items():
        live = [row for row in books[id_] if row["status"] != "voided"]
        if not total:
            right = not live
        elif status in KEPT:
            back = Decimal(back_of[UUID(id_)])
            paid = "succeeded" if not back else "refunded" if back == total else "partially_refunded"
            right = len(live) == 1 and live[0]["status"] == "captured" and Decimal(live[0]["amount"]) == total
            right = right and Decimal(live[0]["refunded"]) == back == payments[id_].refunded
            right = right and payments[id_].status == paid and payments[id_].authorization_id == live[0]["id"]
        else:
            right = all(row["status"] == "captured" and row["refunded"] == row["amount"] for row in live)
            right = right and (id_ not in payments or payments[id_].status in {"failed", "voided", "refunded"})
        if not right:
            problems.append(f"order {id_} is {status}; the processor says {books[id_]}; we say {payments.get(id_)}")
    strangers = set(books) - set(orders)
    return [*problems, *(f"the processor knows of {id_}, which is no order" for id_ in strangers)]


def _keys(books: Books) -> list[str]:
    """However often it was asked, it holds one amount per order, under the key that we know."""
    ours = {str(id_): key for id_, key in Payment.objects.values_list("order_id", "authorization_key")}
    return [
        f"order {id_} was authorized as {[row['key'] for row in rows]}; its key is {ours.get(id_)}"
        for id_, rows in books.items()
        if rows and [row["key"] for row in rows] != [ours.get(id_)]
    ]


def _once(performed: list[dict[str, Any]]) -> list[str]:
    captures = Counter(row["authorizationId"] for row in performed if row["kind"] == "capture")
    return [f"{authorization} was captured {n} times" for authorization, n in captures.items() if n > 1]


def _refunds(performed: list[dict[str, Any]]) -> list[str]:
    """By idempotency key."""
    theirs = {row["key"]: Decimal(row["amount"]) for row in performed if row["kind"] == "refund"}
    ours = dict(Refund.objects.values_list("key", "amount"))
    return [
        f"refund {key}: the processor says {theirs.get(key)}, we say {ours.get(key)}"
        for key in theirs.keys() | ours.keys()
        if theirs.get(key) != ours.get(key)
    ]


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as response:
        return json.load(response)
