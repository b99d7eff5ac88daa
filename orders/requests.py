"""What every call about orders asks of its request: who calls, which order, and whether it is as the caller saw it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from msgspec.structs import replace
from rest_framework.request import Request

from events import etags
from events.audit import note
from events.context import caused_by, current_context
from orders import models
from orders import serializers as wire
from orders.selectors import payments_of, visible_to
from orders.services import StaleVersion


def caller(request: Request) -> Any:
    """A user as far as its access token knows it."""
    return request.user


def visible(request: Request) -> QuerySet[models.Order]:
    user = caller(request)
    return visible_to(user.id, everything=user.has_perm("orders.view_order"))


def order_of(request: Request, order_id: UUID) -> models.Order:
    order = visible(request).filter(id=order_id).first()
    if order is None:
        raise Http404("There is no such order, or it is another's.")
    return order


def expected_version(request: Request, order: models.Order) -> int | None:
    """Raises StaleVersion if the order is not what the caller has seen."""
    header = request.headers.get("If-Match")
    if header is None:
        return None
    if not etags.names(header, wire.etag(order, payments_of([order.id]).get(order.id))):
        raise StaleVersion(f"Order {order.number} has changed since you read it: read it again.")
    return None if header.strip() == "*" else order.version


def note_of_staff(request: Request, deed: str, order: models.Order, *, reason: str = "", **details: str) -> None:
    """For the audit, in the transaction of the deed. What customers do with their own order is in its events."""
    if order.customer_id != caller(request).id:
        note(caller(request).get_username(), deed, "order", [order.id], reason=reason, details=details)


@contextmanager
def acting(request: Request) -> Iterator[None]:
    """Events name who caused them."""
    with caused_by(replace(current_context(), actor=request.user.get_username())):
        yield
