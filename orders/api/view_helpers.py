"""Helpers of the order views: the caller, the orders it can see, version checks and audit records."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from rest_framework.request import Request

from desk import audit
from desk.actors import actor_of
from orders import models
from orders.api import serializers as wire
from orders.selectors import payments_of, visible_to
from orders.services import StaleVersion
from web import etags


def caller(request: Request) -> Any:
    """The authenticated user, built from the claims of its access token without a query."""
    return request.user


def visible(request: Request) -> QuerySet[models.Order]:
    user = caller(request)
    return visible_to(user.id, everything=user.has_perm("orders.view_order"))


def order_of(request: Request, order_id: UUID) -> models.Order:
    order = visible(request).filter(id=order_id).first()
    if order is None:
        raise Http404("There is no such order, or it belongs to another user.")
    return order


def expected_version(request: Request, order: models.Order) -> int | None:
    """The version to expect, from `If-Match`; None without one. Raises StaleVersion if the ETag does not match."""
    header = request.headers.get("If-Match")
    if header is None:
        return None
    if not etags.names(header, wire.etag(order, payments_of([order.id]).get(order.id))):
        raise StaleVersion(f"Order {order.number} has changed since you read it. Read it again, then retry.")
    return None if header.strip() == "*" else order.version


def audit_staff(request: Request, action: str, order: models.Order, *, reason: str = "", **details: str) -> None:
    """Records an action of staff in the audit, in the same transaction. Customers' own actions are in the events."""
    if order.customer_id != caller(request).id:
        audit.record(actor_of(caller(request)), action, "order", [order.id], reason=reason, details=details)
