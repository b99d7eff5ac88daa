"""The admin's sidebar, as the applications declare it: everybody sees what they may."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.module_loading import import_string

from desk.flower import PERMISSION, flower_url
from desk.service import ServiceConfig, SidebarLink, SidebarSection, service_configs


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Unfold's callback: the dashboard first, then what the applications declare, then links to elsewhere."""
    return [
        _group(
            "",
            [
                {"title": "Dashboard", "icon": "dashboard", "link": reverse("admin:index")},
                {
                    "title": "Operations",
                    "icon": "monitoring",
                    "link": reverse("operations"),
                    "permission": partial(_may, "orderproject.view_operations"),
                },
            ],
        ),
        *(
            _group(section.title, [_entry(request, config, link) for link in section.links])
            for config, section in _declared_sections()
        ),
        _group("Elsewhere", _elsewhere()),
    ]


def _declared_sections() -> Sequence[tuple[ServiceConfig, SidebarSection]]:
    sections = [(config, section) for config in service_configs() for section in config.sidebar]
    return sorted(sections, key=lambda declared: declared[1].position)


def _entry(request: HttpRequest, config: ServiceConfig, link: SidebarLink) -> dict[str, Any]:
    app, _, model = config.qualified(link.model).partition(".")
    entry = {
        "title": link.title,
        "icon": link.icon,
        "link": reverse(f"admin:{app}_{model}_changelist"),
        "permission": partial(_may, f"{app}.view_{model}"),
    }
    badge = import_string(link.badge)(request) if link.badge else ""
    return entry | ({"badge": badge} if badge else {})


def colors(request: HttpRequest) -> str:
    return static("orderproject/colors.css")


def no_inline_colors(request: HttpRequest) -> dict[str, dict[str, str]]:
    """Unfold would write its colours into each page; the Content-Security-Policy allows no <style>."""
    return {}


def htmx_config(request: HttpRequest) -> str:
    return static("orderproject/htmx-config.js")


def favicon(request: HttpRequest) -> str:
    return static("orderproject/favicon.svg")


def stylesheet(request: HttpRequest) -> str:
    return static("desk/admin.css")


def _elsewhere() -> list[dict[str, Any]]:
    links: list[dict[str, Any]] = [{"title": "API documentation", "icon": "api", "link": "/api/v1/docs/"}]
    if link := flower_url():
        links.append(
            {"title": "Flower", "icon": "local_florist", "link": f"{link}/", "permission": partial(_may, PERMISSION)}
        )
    return links


def _group(title: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"title": title, "separator": bool(title), "collapsible": False, "items": items}


def _may(permission: str, request: HttpRequest) -> bool:
    return request.user.has_perm(permission)
