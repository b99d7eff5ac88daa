"""Erases a customer from orders: who they are and where they live. What was ordered and paid stays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet

from desk.personal_data import FORGOTTEN, FORGOTTEN_EMAIL, Person, PersonalData, Trace, mentions
from events.db.query import execute
from orders.models import Cancellation, IdempotentRequest, Order, RefundRequest, Return, Status

OPEN = (Status.PENDING, Status.CONFIRMED, Status.PARTIALLY_SHIPPED)
"""Goods are still to be sent to the address."""
PARTS: tuple[type[Any], ...] = (Return, RefundRequest, Cancellation)
"""What refers to an order and has a reason that somebody wrote."""
ADDRESS = ("name", "line1", "city", "postalCode")
"""What is erased of an address. The country stays: taxes depend on it."""

# What was empty stays empty, as in the log. Plan: the index on (customer_id, id).
ERASE = """
UPDATE orders_order SET
    email = %(no_address)s, payment_token = '', updated_at = now(),
    shipping_address = shipping_address || %(blank)s::jsonb,
    cancel_request = CASE cancel_request WHEN '' THEN '' ELSE %(forgotten)s END,
    cancel_reason = CASE cancel_reason WHEN '' THEN '' ELSE %(forgotten)s END,
    cancel_detail = CASE cancel_detail WHEN '' THEN '' ELSE %(forgotten)s END
WHERE customer_id = %(customer)s AND email <> %(no_address)s
RETURNING id
"""


class Orders(PersonalData):
    def trace(self, person: Person) -> Trace:
        locked = _orders(person).order_by("id").select_for_update(no_key=True)
        rows = list(locked.values_list("id", "number", "status", "email"))
        parts = [one.pk for model in PARTS for one in _of(person, model).only("pk")]
        waiting = [f"{number} ({status})" for _, number, status, _ in rows if status in OPEN]
        return Trace(
            names=frozenset(email for _, _, _, email in rows if email and email != FORGOTTEN_EMAIL),
            subjects=frozenset({*(str(id_) for id_, _, _, _ in rows), *map(str, parts)}),
            open=(f"Orders are still open: {', '.join(waiting[:20])}. Cancel or ship them first.",) if waiting else (),
        )

    def erase(self, person: Person) -> Mapping[str, int]:
        given = {
            "customer": person.key, "no_address": FORGOTTEN_EMAIL, "forgotten": FORGOTTEN,
            "blank": json.dumps(dict.fromkeys(ADDRESS, "")),
        }  # fmt: skip
        count = len(execute(ERASE, given))
        reasons = sum(_of(person, model).exclude(reason=FORGOTTEN).update(reason=FORGOTTEN) for model in PARTS)
        told = _of(person, Return).exclude(reject_reason__in=["", FORGOTTEN]).update(reject_reason=FORGOTTEN)
        return {"orders": count, "reasons": reasons + told, "stored answers": _forget_answers(person)}


def _orders(person: Person) -> QuerySet[Order]:
    return Order.objects.filter(customer_id=person.key)


def _of(person: Person, model: type[Any]) -> Any:
    return model.objects.filter(order__customer_id=person.key)


def _forget_answers(person: Person) -> int:
    """Their own, and those to staff that show one of their orders. They are kept for a day at most."""
    own = IdempotentRequest.objects.filter(caller=person.key)
    others = IdempotentRequest.objects.exclude(caller=person.key)
    shown = {*person.names, *person.subjects}
    bodies = ((one.pk, bytes(one.body).decode(errors="replace")) for one in others.iterator(chunk_size=500))
    about = [key for key, body in bodies if mentions(body, shown)]
    return own.delete()[0] + others.filter(pk__in=about).delete()[0]
