"""What a browser shows for an error. Programs get `application/problem+json` from `orderproject.api.problems`."""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from django.contrib.admin import ModelAdmin
from django.contrib.auth import get_permission_codename
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from orderproject.api.paths import is_of_the_admin

TITLES = {
    400: "This request cannot be read",
    403: "You are not allowed to do this",
    404: "There is no such page",
    429: "Too many requests",
    500: "Something went wrong here",
}
ACTIONS = {"add": "add", "delete": "delete", "changelist": "view", "history": "view"}
"""The action of Django's permission for the last word of an admin page's name; `change` depends on the method."""


def error_page(
    request: HttpRequest, status: int, detail: str, *, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """Needs no database and no session, so that it can tell of their failure."""
    html = render_to_string(
        "orderproject/error.html",
        {
            "status": status,
            "title": TITLES[status],
            "detail": detail,
            "request_id": structlog.contextvars.get_contextvars().get("request_id", "") if status == 500 else "",
            "back": ("/admin/", "To the dashboard") if is_of_the_admin(request.path) else ("/", "To the front page"),
        },
    )
    return HttpResponse(html, status=status, headers=dict(headers or {}))


def missing_permission(request: HttpRequest) -> str:
    """The permission that the admin page needs, as `app.action_model`; empty for pages that have rules of their own."""
    match = request.resolver_match
    of_model: ModelAdmin[Model] | None = getattr(match.func, "model_admin", None) if match else None
    if match is None or of_model is None:
        return ""
    page = (match.url_name or "").rpartition("_")[2]
    action = "change" if page == "change" and request.method == "POST" else {**ACTIONS, "change": "view"}.get(page)
    options = of_model.opts
    return f"{options.app_label}.{get_permission_codename(action, options)}" if action else ""


def forbidden(request: HttpRequest, sentence: str) -> HttpResponse:
    """Says which permission is missing, unless `sentence` already gives the reason."""
    permission = missing_permission(request)
    needed = f"This page needs the permission {permission}, which your account does not have." if permission else ""
    detail = sentence or needed or "Your account does not have the permission for this."
    return error_page(request, 403, f"{detail} Ask an administrator to add you to a group that has it.")
