"""The admin's front page: today in three numbers and where to look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse

from events.models import Delivery, DeliveryState
from orders.finding import created_since, today
from orders.models import Order, Status
from sagas.models import SagaRun
from sagas.plan import RunState


@dataclass(frozen=True)
class Tile:
    """A number with the list behind it."""

    title: str
    number: int
    url: str
    alarm: bool = False


def summary(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's DASHBOARD_CALLBACK."""
    may = request.user.has_perm
    context["orders_today"] = _orders_today() if may("orders.view_order") else []
    context["troubles"] = (_dead() if may("events.view_delivery") else []) + (
        _stuck() if may("sagas.view_sagarun") else []
    )
    return context


def _orders_today() -> list[Tile]:
    fresh = created_since(Order.objects.order_by(), today())
    counted: dict[str, int] = dict(fresh.values_list("status").annotate(number=Count("id")))
    return [
        Tile(status.label, counted.get(status, 0), _list("orders_order", status__exact=status, created="today"))
        for status in Status
        if status in counted or status in {Status.PENDING, Status.CONFIRMED, Status.CANCELLED}
    ]


def _dead() -> list[Tile]:
    dead = Delivery.objects.filter(state=DeliveryState.DEAD).count()
    return [Tile("Dead deliveries", dead, _list("events_delivery", state__exact=DeliveryState.DEAD), alarm=dead > 0)]


def _stuck() -> list[Tile]:
    stuck = SagaRun.objects.filter(state=RunState.STUCK).count()
    return [Tile("Stuck sagas", stuck, _list("sagas_sagarun", state__exact=RunState.STUCK), alarm=stuck > 0)]


def _list(model: str, **filters: str) -> str:
    return f"{reverse(f'admin:{model}_changelist')}?{urlencode({name: str(value) for name, value in filters.items()})}"
