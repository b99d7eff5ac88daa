"""Two admin pages: dead letters grouped by subscriber and error, and the form that edits the data of one."""

from __future__ import annotations

from typing import Any

import msgspec
from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from desk.actors import actor_of
from desk.confirm import ReasonForm, confirm, confirmed
from desk.json_text import pretty
from desk.readonly import ReadOnlyAdmin
from desk.theme import Textarea
from events.dead_letters import repair
from events.errors import Refused
from events.models import Delivery, DeliveryState

MAX_PER_REQUEST = 20_000
"""Deliveries of a group that one click retries or discards at most; more would exceed the request's time."""


class DeliveryPages(ReadOnlyAdmin):
    """The permissions on dead letters, and the message after an action."""

    def has_retry_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("events.retry_delivery")

    def has_discard_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("events.discard_delivery")

    def has_edit_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("events.edit_delivery")

    def report(self, request: HttpRequest, outcome: repair.Outcome, result: str) -> None:
        level = messages.SUCCESS if outcome.done else messages.WARNING
        left = f" {outcome.left} are left: repeat the action." if outcome.left else ""
        self.message_user(request, f"{outcome.done} dead deliveries are {result}.{left}", level)


def groups_page(admin: DeliveryPages, request: HttpRequest) -> HttpResponse:
    action = request.GET.get("action")
    if action not in {"retry", "discard"}:
        context = _context(admin, request, "Dead letters by error") | {
            "groups": repair.groups(),
            "may_retry": admin.has_retry_permission(request),
            "may_discard": admin.has_discard_permission(request),
        }
        return TemplateResponse(request, "admin/events/groups.html", context)
    group = repair.Group(request.GET.get("subscriber", ""), request.GET.get("error", ""))
    page = reverse("admin:events_delivery_groups")
    asked = _retry(admin, request, group, page) if action == "retry" else _discard(admin, request, group, page)
    return asked or HttpResponseRedirect(page)


def _retry(admin: DeliveryPages, request: HttpRequest, group: repair.Group, back: str) -> HttpResponse | None:
    if not admin.has_retry_permission(request):
        raise PermissionDenied
    if not confirmed(request):
        return confirm(
            admin, request, objects=[group], back=back, button="Retry", title="Retry a group",
            question=f"Deliver the {repair.size_of(group)} dead letters of this group again?",
        )  # fmt: skip
    outcome = repair.retry(group, actor=actor_of(request.user), limit=MAX_PER_REQUEST)
    admin.report(request, outcome, "due again")
    return None


def _discard(admin: DeliveryPages, request: HttpRequest, group: repair.Group, back: str) -> HttpResponse | None:
    if not admin.has_discard_permission(request):
        raise PermissionDenied
    form = ReasonForm(request.POST if confirmed(request) else None)
    if not form.is_valid():
        return confirm(
            admin, request, objects=[group], back=back, button="Discard", title="Discard a group", form=form,
            question=f"Discard the {repair.size_of(group)} dead letters of this group for good? They stay on record.",
        )  # fmt: skip
    reason = form.cleaned_data["reason"]
    outcome = repair.discard(group, actor=actor_of(request.user), reason=reason, limit=MAX_PER_REQUEST)
    admin.report(request, outcome, "discarded")
    return None


class DataForm(ReasonForm):
    """Takes the data as text, so that a typing error comes back to the form unchanged."""

    payload = forms.CharField(label="Data", widget=Textarea({"rows": 20}), strip=False)
    field_order = ("payload", "reason")

    def clean_payload(self) -> Any:
        try:
            return msgspec.json.decode(self.cleaned_data["payload"])
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            raise forms.ValidationError(f"This is not valid JSON: {error}") from error


def edit_page(admin: DeliveryPages, request: HttpRequest, object_id: str) -> HttpResponse:
    """Shows the difference first; a POST with `confirmed` applies what it showed, and nothing else."""
    page = reverse("admin:events_delivery_change", args=[object_id])
    delivery = Delivery.objects.select_related("event").filter(id=object_id, state=DeliveryState.DEAD).first()
    if delivery is None:
        return HttpResponseRedirect(page)
    initial = {"payload": pretty(repair.data_to_deliver(delivery))}
    form = DataForm(request.POST if request.method == "POST" else None, initial=initial)
    difference, fingerprint = None, ""
    if form.is_valid():
        fingerprint = repair.fingerprint(delivery, form.cleaned_data["payload"])
        difference = _edit(request, delivery, form, dry_run=True)
        if difference is not None and confirmed(request) and _edit(request, delivery, form) is not None:
            admin.message_user(request, "The delivery is due again, with the edited data.")
            return HttpResponseRedirect(page)
    context = _context(admin, request, "Edit and retry") | {
        "delivery": delivery,
        "form": form,
        "difference": difference,
        "shown": fingerprint,
        "back": page,
    }
    return TemplateResponse(request, "admin/events/edit.html", context)


def _edit(request: HttpRequest, delivery: Delivery, form: DataForm, *, dry_run: bool = False) -> str | None:
    """The diff; None if the edit is refused, with the reason as an error in the form."""
    cleaned, actor, shown = form.cleaned_data, actor_of(request.user), request.POST.get("shown", "")
    try:
        return repair.edit(
            delivery, cleaned["payload"], actor=actor, reason=cleaned["reason"], dry_run=dry_run, shown=shown
        )
    except Refused as error:
        form.add_error("payload", error.detail)
        return None


def _context(admin: DeliveryPages, request: HttpRequest, title: str) -> dict[str, Any]:
    return {
        **admin.admin_site.each_context(request),
        "opts": admin.model._meta,
        "media": admin.media,
        "title": title,
    }
