"""The default groups. Administrators can change them afterwards.

Each application declares in its `apps.py` what they may. A permission that comes with a later version is given to them
once.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps as global_apps
from django.apps.registry import Apps
from django.core.exceptions import ImproperlyConfigured

from desk.service import service_configs

READERS = ("order managers", "operators", "auditors")
"""They may view what the applications declare as `readable`."""
NAMES = ("order managers", "warehouse", "operators", "auditors")


def groups() -> dict[str, tuple[str, ...]]:
    """Every group with its permissions. Raises ImproperlyConfigured where an application names a group that is none."""
    found: dict[str, dict[str, None]] = {name: {} for name in NAMES}
    for config in service_configs():
        views = [config.qualified(f"view_{model}") for model in config.readable]
        for name in READERS:
            found[name].update(dict.fromkeys(views))
        for name, codes in config.permissions.items():
            if name not in found:
                raise ImproperlyConfigured(
                    f"{config.name}/apps.py gives permissions to the group {name!r}, which does not exist: use one of"
                    f" {', '.join(NAMES)}, or add the group to orderproject/accounts/groups.py"
                )
            found[name].update(dict.fromkeys(map(config.qualified, codes)))
    return {name: tuple(codes) for name, codes in found.items()}


def create_groups(apps: Apps = global_apps, **_: Any) -> None:
    """Runs after every `migrate`: creates missing groups and grants permissions that a group has never been granted.

    It keeps permissions that administrators added and does not restore those that they removed. Idempotent.
    """
    try:
        grants = apps.get_model("orderproject", "Grant").objects
    except LookupError:  # the table does not exist at this migration
        return
    stored, permissions = apps.get_model("auth", "Group").objects, _permissions(apps)
    given = set(grants.values_list("group", "permission"))
    for name, codes in groups().items():
        group, new = stored.get_or_create(name=name)
        fresh = [code for code in codes if code in permissions and (new or (name, code) not in given)]
        group.permissions.add(*(permissions[code] for code in fresh))
        grants.bulk_create((grants.model(group=name, permission=code) for code in fresh), ignore_conflicts=True)


def _permissions(apps: Apps) -> dict[str, Any]:
    found = apps.get_model("auth", "Permission").objects.select_related("content_type")
    return {f"{one.content_type.app_label}.{one.codename}": one for one in found}
