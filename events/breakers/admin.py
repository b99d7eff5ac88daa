"""The admin page of circuit breakers. Staff can see their state, force one open or closed, and release it."""

from __future__ import annotations

from typing import Any

import redis
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from desk.actors import actor_of
from desk.confirm import confirm, confirmed
from desk.one_line import validate_one_line
from desk.readonly import ReadOnlyAdmin
from desk.theme import TextInput
from events import models
from events.breakers.breaker import Breaker, State, breaker, breakers
from events.breakers.override import force, release

ACTIONS = {
    "open": ("Force open", "Postpone every call until someone releases the breaker, for a week at most?"),
    "close": (
        "Force closed", "Let every call through, even if calls fail, until someone releases it, for a week at most?",
    ),
    "release": ("Release", "Let the breaker open and close automatically again?"),
}  # fmt: skip


class Reason(forms.Form):
    reason = forms.CharField(max_length=200, widget=TextInput, validators=[validate_one_line])


@admin.register(models.Breaker)
class BreakerAdmin(ReadOnlyAdmin):
    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("", wrap(self.changelist_view), name="events_breaker_changelist"),
            path("<str:name>/<str:action>/", wrap(self.force_view), name="events_breaker_force"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            shown, valkey_error = [(one, one.snapshot()) for one in breakers()], ""
        except redis.RedisError as error:
            shown, valkey_error = [], str(error)
        context = {
            **self.admin_site.each_context(request), "opts": self.model._meta, "media": self.media,
            "title": "Breakers", "breakers": shown, "valkey_error": valkey_error,
            "may_force": request.user.has_perm("events.force_breaker"),
        }  # fmt: skip
        return TemplateResponse(request, "admin/events/breakers.html", context)

    def force_view(self, request: HttpRequest, name: str, action: str) -> HttpResponse:
        if not request.user.has_perm("events.force_breaker"):
            raise PermissionDenied
        known, page = _known(name, action), reverse("admin:events_breaker_changelist")
        form = Reason(request.POST if confirmed(request) else None)
        if form.is_valid():
            self._do(request, known, action, form.cleaned_data["reason"])
            return HttpResponseRedirect(page)
        title, question = ACTIONS[action]
        return confirm(
            self, request, objects=[models.Breaker(name=name)], form=form, button=title, back=page,
            title=f"{title}: {name}", question=question,
        )  # fmt: skip

    def _do(self, request: HttpRequest, known: Breaker, action: str, reason: str) -> None:
        by = actor_of(request.user)
        try:
            if action == "release":
                release(known, actor=by, reason=reason)
            else:
                force(known, State.OPEN if action == "open" else State.CLOSED, actor=by, reason=reason)
        except redis.RedisError as error:
            self.message_user(
                request, f"Valkey does not answer, so nothing was changed. Try again later: {error}", messages.ERROR
            )
            return
        self.message_user(request, f"{known.name}: {ACTIONS[action][0].lower()}, done.", messages.SUCCESS)


def _known(name: str, action: str) -> Breaker:
    if action not in ACTIONS:
        raise Http404
    try:
        return breaker(name)
    except LookupError as error:
        raise Http404(str(error)) from error
