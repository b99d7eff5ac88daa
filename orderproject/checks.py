"""What the applications declare for the admin must exist; `manage.py check` names what does not."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.contrib import admin
from django.contrib.auth import get_permission_codename
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from desk.service import service_configs
from orderproject.accounts.groups import groups


def permissions_exist(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """A group would be created without a permission whose name is misspelt."""
    try:
        declared = groups()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="orderproject.E001")]
    known = set(_permissions_of_models())
    return [
        Error(
            f"The group {name!r} is given {code}, which no model declares: correct it in apps.py",
            id="orderproject.E002",
        )
        for name, codes in declared.items()
        for code in codes
        if code not in known
    ]


def _permissions_of_models() -> Iterable[str]:
    for model in apps.get_models():
        options = model._meta
        names = [get_permission_codename(action, options) for action in options.default_permissions]
        names += [str(name) for name, _ in options.permissions]
        yield from (f"{options.app_label}.{name}" for name in names)


def sidebar_leads_somewhere(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Every page of the admin would answer with an error."""
    return [
        Error(
            f"{config.name}/apps.py: the sidebar's {link.title!r} leads to {model}, which the admin does not know:"
            " correct the name, or register the model in admin.py",
            id="orderproject.E003",
        )
        for config in service_configs()
        for section in config.sidebar
        for link in section.links
        if (model := config.qualified(link.model)) not in _models_in_admin()
    ]


def _models_in_admin() -> set[str]:
    return {model._meta.label_lower for model in admin.site._registry}
