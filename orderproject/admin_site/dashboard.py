"""The admin's dashboard: today's orders by status, refunds that are not back, dead deliveries and stuck sagas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse

from events.models import Delivery, DeliveryState
from orders.admin_search import today
from orders.models import Order, RefundStatus, Status
from orders.selectors import created_after
from sagas.models import SagaRun
from sagas.plan import RunState


@dataclass(frozen=True)
class Tile:
    """A number with a link to the list that it counts."""

    title: str
    number: int
    url: str
    alarm: bool = False


def summary(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's DASHBOARD_CALLBACK: adds the tiles that the user has permission to see."""
    may = request.user.has_perm
    context["orders_today"] = _orders_today() if may("orders.view_order") else []
    context["troubles"] = [
        *(_refunds() if may("orders.view_order") else []),
        *(_dead() if may("events.view_delivery") else []),
        *(_stuck() if may("sagas.view_sagarun") else []),
    ]
    return context


def _orders_today() -> list[Tile]:
    fresh = created_after(Order.objects.order_by(), today())
    counted: dict[str, int] = dict(fresh.values_list("status").annotate(number=Count("id")))
    return [
        Tile(status.label, counted.get(status, 0), _list("orders_order", status__exact=status, created="today"))
        for status in Status
        if status in counted or status in {Status.PENDING, Status.CONFIRMED, Status.CANCELLED}
    ]


def _refunds() -> list[Tile]:
    """Orders whose customers wait for money, whenever they were placed."""
    open_ = Order.objects.order_by().filter(refund_status__in=[RefundStatus.PENDING, RefundStatus.FAILED])
    counted: dict[str, int] = dict(open_.values_list("refund_status").annotate(number=Count("id")))
    return [
        Tile(title, counted.get(status, 0), _list("orders_order", refund_status__exact=status), alarm=alarm)
        for status, title, alarm in (
            (RefundStatus.PENDING, "Refunds pending", False),
            (RefundStatus.FAILED, "Refunds failed", counted.get(RefundStatus.FAILED, 0) > 0),
        )
    ]


def _dead() -> list[Tile]:
    dead = Delivery.objects.filter(state=DeliveryState.DEAD).count()
    return [Tile("Dead deliveries", dead, _list("events_delivery", state__exact=DeliveryState.DEAD), alarm=dead > 0)]


def _stuck() -> list[Tile]:
    stuck = SagaRun.objects.filter(state=RunState.STUCK).count()
    return [Tile("Stuck sagas", stuck, _list("sagas_sagarun", state__exact=RunState.STUCK), alarm=stuck > 0)]


def _list(model: str, **filters: str) -> str:
    return f"{reverse(f'admin:{model}_changelist')}?{urlencode({name: str(value) for name, value in filters.items()})}"
