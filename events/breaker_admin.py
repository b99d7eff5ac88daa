"""Breakers, for people: how they stand, and forcing them."""

from __future__ import annotations

from typing import Any

import redis
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.widgets import UnfoldAdminTextInputWidget

from events import models
from events.breaker import Breaker, State, breaker, breakers
from events.forcing import force, release
from events.readonly import ReadOnlyAdmin
from events.staff import confirm, confirmed

DEEDS = {
    "open": ("Force open", "Postpone every call until this is released, or for a week?"),
    "close": ("Force closed", "Let every call through until this is released, or for a week, whatever fails?"),
    "release": ("Release", "Let it decide by itself again?"),
}


class Reason(forms.Form):
    reason = forms.CharField(max_length=200, widget=UnfoldAdminTextInputWidget)


@admin.register(models.Breaker)
class BreakerAdmin(ReadOnlyAdmin):
    class Media:
        css = {"all": ["events/admin.css"]}

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("", wrap(self.changelist_view), name="events_breaker_changelist"),
            path("<str:name>/<str:deed>/", wrap(self.force_view), name="events_breaker_force"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            shown, away = [(one, one.snapshot()) for one in breakers()], ""
        except redis.RedisError as error:
            shown, away = [], str(error)
        context = {
            **self.admin_site.each_context(request), "opts": self.model._meta, "media": self.media,
            "title": "Breakers", "breakers": shown, "away": away,
            "may_force": request.user.has_perm("events.force_breaker"),
        }  # fmt: skip
        return TemplateResponse(request, "admin/events/breakers.html", context)

    def force_view(self, request: HttpRequest, name: str, deed: str) -> HttpResponse:
        if not request.user.has_perm("events.force_breaker"):
            raise PermissionDenied
        known, page = _known(name, deed), reverse("admin:events_breaker_changelist")
        form = Reason(request.POST if confirmed(request) else None)
        if form.is_valid():
            self._do(request, known, deed, form.cleaned_data["reason"])
            return HttpResponseRedirect(page)
        title, question = DEEDS[deed]
        return confirm(
            self, request, objects=[models.Breaker(name=name)], form=form, button=title, back=page,
            title=f"{title}: {name}", question=question,
        )  # fmt: skip

    def _do(self, request: HttpRequest, known: Breaker, deed: str, reason: str) -> None:
        by = request.user.get_username()
        try:
            if deed == "release":
                release(known, actor=by, reason=reason)
            else:
                force(known, State.OPEN if deed == "open" else State.CLOSED, actor=by, reason=reason)
        except redis.RedisError as error:
            self.message_user(request, f"Valkey does not answer, nothing is changed: {error}", messages.ERROR)
            return
        self.message_user(request, f"{known.name}: {DEEDS[deed][0].lower()}, done.", messages.SUCCESS)


def _known(name: str, deed: str) -> Breaker:
    if deed not in DEEDS:
        raise Http404
    try:
        return breaker(name)
    except LookupError as error:
        raise Http404(str(error)) from error
