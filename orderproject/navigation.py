"""The admin's sidebar: everybody sees what they may."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse

from events.models import Delivery, DeliveryState


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    return [
        _group("", [_link("Dashboard", "dashboard", "", "admin:index")]),
        _group(
            "Orders",
            [
                _model("Orders", "shopping_cart", "orders", "order"),
                _model("Daily sales", "bar_chart", "orders", "dailysales"),
            ],
        ),
        _group(
            "Catalogue & stock",
            [
                _model("Products", "sell", "inventory", "product"),
                _model("Warehouses", "warehouse", "inventory", "warehouse"),
                _model("Stock", "inventory_2", "inventory", "stock"),
                _model("Reservations", "lock_clock", "inventory", "reservation"),
                _model("Holds", "lock", "inventory", "hold"),
            ],
        ),
        _group(
            "Payments",
            [
                _model("Payments", "credit_card", "payments", "payment"),
                _model("Refunds", "currency_exchange", "payments", "refund"),
            ],
        ),
        _group(
            "Notifications",
            [
                _model("Notifications", "mail", "notifications", "notification"),
                _model("Webhooks", "webhook", "notifications", "webhook"),
                _model("Webhook deliveries", "outbox", "notifications", "webhookdelivery"),
            ],
        ),
        _group(
            "Events & deliveries",
            [
                _model("Stored events", "history", "events", "storedevent"),
                _model("Deliveries", "send", "events", "delivery") | _dead_badge(request),
                _model("Dead messages", "unsubscribe", "events", "deadmessage"),
                _model("Replays", "replay", "events", "replay"),
                _model("Breakers", "electrical_services", "events", "breaker"),
            ],
        ),
        _group("Sagas", [_model("Sagas", "account_tree", "sagas", "sagarun")]),
        _group("Audit", [_model("Audit", "policy", "events", "audit")]),
        _group(
            "Users",
            [
                _model("Users", "person", "orderproject", "user"),
                _model("Groups", "group", "auth", "group"),
                _model("API keys", "key", "orderproject", "apikey"),
            ],
        ),
        _group("Elsewhere", _elsewhere()),
    ]


def _dead_badge(request: HttpRequest) -> dict[str, Any]:
    """How many deliveries are dead, if any; an index holds only those."""
    if not request.user.has_perm("events.view_delivery"):
        return {}
    dead = Delivery.objects.filter(state=DeliveryState.DEAD)[:100].count()
    return {"badge": "99+" if dead > 99 else str(dead)} if dead else {}


def stylesheet(request: HttpRequest) -> str:
    return static("events/admin.css")


def _elsewhere() -> list[dict[str, Any]]:
    links = [{"title": "API documentation", "icon": "api", "link": "/api/v1/docs/"}]
    if settings.FLOWER_URL:
        links.append({"title": "Flower", "icon": "local_florist", "link": settings.FLOWER_URL})
    return links


def _group(title: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"title": title, "separator": bool(title), "collapsible": False, "items": items}


def _model(title: str, icon: str, app: str, model: str) -> dict[str, Any]:
    return _link(title, icon, f"{app}.view_{model}", f"admin:{app}_{model}_changelist")


def _link(title: str, icon: str, permission: str, url: str) -> dict[str, Any]:
    link: dict[str, Any] = {"title": title, "icon": icon, "link": reverse(url)}
    return link | ({"permission": partial(_may, permission)} if permission else {})


def _may(permission: str, request: HttpRequest) -> bool:
    return request.user.has_perm(permission)
