"""The groups that a new installation starts with; from then on they belong to its administrators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

VIEWS = (
    "orders.view_order",
    "inventory.view_product",
    "inventory.view_warehouse",
    "inventory.view_stock",
    "inventory.view_reservation",
    "inventory.view_hold",
    "payments.view_payment",
    "payments.view_refund",
    "notifications.view_notification",
    "events.view_storedevent",
    "events.view_delivery",
    "events.view_breaker",
    "events.view_deadmessage",
    "sagas.view_sagarun",
)
GROUPS: dict[str, Sequence[str]] = {
    "order managers": (*VIEWS, "orders.cancel_order", "notifications.change_notification"),
    "warehouse": (
        "orders.view_order",
        "inventory.view_product", "inventory.add_product", "inventory.change_product",
        "inventory.view_warehouse", "inventory.add_warehouse", "inventory.change_warehouse",
        "inventory.view_stock", "inventory.add_stock", "inventory.change_stock",
        "inventory.view_reservation", "inventory.view_hold",
    ),
    "operators": (
        *VIEWS,
        "events.retry_delivery", "events.edit_delivery", "events.discard_delivery", "events.view_audit",
        "events.replay", "events.force_breaker", "events.retry_deadmessage",
        "sagas.repair_saga", "notifications.change_notification",
    ),
    "auditors": (*VIEWS, "events.view_audit", "orderproject.view_user", "admin.view_logentry"),
}  # fmt: skip


def create_groups(**_: Any) -> None:
    """After every `migrate`: what is missing is made with its permissions, what is there is left as it is."""
    from django.contrib.auth.models import Group, Permission

    permissions = {
        f"{one.content_type.app_label}.{one.codename}": one for one in Permission.objects.select_related("content_type")
    }
    for name, codes in GROUPS.items():
        group, new = Group.objects.get_or_create(name=name)
        if new:
            group.permissions.set([permissions[code] for code in codes])
