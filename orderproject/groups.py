"""The groups that an installation starts with; from then on they belong to its administrators.

A permission that comes with a later version is given to them once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import apps as global_apps
from django.apps.registry import Apps

VIEWS = (
    "orders.view_order",
    "orders.view_dailysales",
    "inventory.view_product",
    "inventory.view_warehouse",
    "inventory.view_stock",
    "inventory.view_reservation",
    "inventory.view_hold",
    "payments.view_payment",
    "payments.view_refund",
    "notifications.view_notification",
    "notifications.view_webhook",
    "notifications.view_webhookdelivery",
    "events.view_storedevent",
    "events.view_delivery",
    "events.view_breaker",
    "events.view_deadmessage",
    "events.view_replay",
    "sagas.view_sagarun",
)
GROUPS: dict[str, Sequence[str]] = {
    "order managers": (
        *VIEWS,
        "orders.cancel_order", "orders.ship_order", "orders.deliver_order", "orders.return_order",
        "notifications.change_notification",
    ),
    "warehouse": (
        "orders.view_order", "orders.ship_order", "orders.deliver_order",
        "inventory.view_product", "inventory.add_product", "inventory.change_product",
        "inventory.view_warehouse", "inventory.add_warehouse", "inventory.change_warehouse",
        "inventory.view_stock", "inventory.add_stock", "inventory.change_stock",
        "inventory.view_reservation", "inventory.view_hold",
    ),
    "operators": (
        *VIEWS,
        "events.retry_delivery", "events.edit_delivery", "events.discard_delivery", "events.view_audit",
        "events.replay", "events.force_breaker", "events.retry_deadmessage", "events.discard_deadmessage",
        "sagas.repair_saga", "notifications.change_notification", "notifications.hear_all_orders",
        "notifications.change_webhook", "notifications.change_webhookdelivery",
    ),
    "auditors": (
        *VIEWS,
        "events.view_audit", "orderproject.view_user", "orderproject.view_apikey", "auth.view_group",
        "admin.view_logentry",
    ),
}  # fmt: skip


def create_groups(apps: Apps = global_apps, **_: Any) -> None:
    """After every `migrate`: a group that is missing is made; one that is there gets what it has never been given.

    What its administrators added stays, and what they took away is not given again.
    """
    try:
        grants = apps.get_model("orderproject", "Grant").objects
    except LookupError:  # not migrated as far as this
        return
    groups, permissions = apps.get_model("auth", "Group").objects, _permissions(apps)
    given = set(grants.values_list("group", "permission"))
    for name, codes in GROUPS.items():
        group, new = groups.get_or_create(name=name)
        fresh = [code for code in codes if code in permissions and (new or (name, code) not in given)]
        group.permissions.add(*(permissions[code] for code in fresh))
        grants.bulk_create((grants.model(group=name, permission=code) for code in fresh), ignore_conflicts=True)


def _permissions(apps: Apps) -> dict[str, Any]:
    found = apps.get_model("auth", "Permission").objects.select_related("content_type")
    return {f"{one.content_type.app_label}.{one.codename}": one for one in found}
