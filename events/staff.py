"""What members of staff do in the admin is asked for twice."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from django import forms
from django.http import HttpRequest
from django.template.response import TemplateResponse
from msgspec.structs import replace
from unfold.widgets import UnfoldAdminTextInputWidget

from events.context import caused_by, current_context

if TYPE_CHECKING:
    from unfold.admin import ModelAdmin


class ReasonForm(forms.Form):
    """Why a member of staff does something: for the audit."""

    reason = forms.CharField(max_length=500, widget=UnfoldAdminTextInputWidget)


def acting(request: HttpRequest) -> AbstractContextManager[None]:
    """Events recorded inside name this member of staff as their actor."""
    return caused_by(replace(current_context(), actor=f"staff:{request.user.pk}"))


def confirm(
    admin: ModelAdmin,
    request: HttpRequest,
    *,
    title: str,
    question: str,
    button: str,
    objects: Iterable[object],
    action: str = "",
    form: forms.Form | None = None,
    back: str = "",
) -> TemplateResponse:
    """The page before the deed. `action` names a bulk action, which is then posted again with `confirmed`."""
    context: dict[str, Any] = {
        **admin.admin_site.each_context(request),
        "opts": admin.model._meta,
        "media": admin.media,
        "title": title,
        "question": question,
        "button": button,
        "objects": list(objects),
        "action": action,
        "form": form,
        "back": back,
    }
    return TemplateResponse(request, "admin/events/confirm.html", context)


def confirmed(request: HttpRequest) -> bool:
    return request.method == "POST" and "confirmed" in request.POST
