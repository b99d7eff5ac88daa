"""The confirmation page before a staff action."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.http import HttpRequest
from django.template.response import TemplateResponse

from desk.one_line import validate_one_line
from desk.theme import ModelAdmin, TextInput


class ReasonForm(forms.Form):
    """Asks for the reason of a staff action, for the audit log."""

    reason = forms.CharField(max_length=500, widget=TextInput, validators=[validate_one_line])


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
    """The page that asks for confirmation. It posts to the same URL with `confirmed`.

    `action` names a bulk action of the changelist; it is posted again with the selected `objects`.
    """
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
    return TemplateResponse(request, "admin/desk/confirm.html", context)


def confirmed(request: HttpRequest) -> bool:
    return request.method == "POST" and "confirmed" in request.POST
