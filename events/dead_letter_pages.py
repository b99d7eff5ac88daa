"""Two pages of the admin: dead letters by subscriber and error, and the data of one, edited and compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminTextareaWidget

from events import repair
from events.errors import Refused
from events.models import Delivery, DeliveryState
from events.staff import ReasonForm, confirm, confirmed
from events.timeline import pretty

if TYPE_CHECKING:
    from events.delivery_admin import DeliveryAdmin

AT_ONCE = 20_000
"""Of one group, by one click: as many as a request has time for."""


def groups_page(admin: DeliveryAdmin, request: HttpRequest) -> HttpResponse:
    deed = request.GET.get("deed")
    if deed not in {"retry", "discard"}:
        context = _context(admin, request, "Dead letters by error") | {
            "groups": repair.groups(),
            "may_retry": admin.has_retry_permission(request),
            "may_discard": admin.has_discard_permission(request),
        }
        return TemplateResponse(request, "admin/events/groups.html", context)
    group = repair.Group(request.GET.get("subscriber", ""), request.GET.get("error", ""))
    page = reverse("admin:events_delivery_groups")
    asked = _retry(admin, request, group, page) if deed == "retry" else _discard(admin, request, group, page)
    return asked or HttpResponseRedirect(page)


def _retry(admin: DeliveryAdmin, request: HttpRequest, group: repair.Group, back: str) -> HttpResponse | None:
    if not admin.has_retry_permission(request):
        raise PermissionDenied
    if not confirmed(request):
        return confirm(
            admin, request, objects=[group], back=back, button="Retry", title="Retry a group",
            question=f"Send the {repair.size_of(group)} dead deliveries of this group again?",
        )  # fmt: skip
    admin.tell(request, repair.retry(group, actor=request.user.get_username(), limit=AT_ONCE), "due again")
    return None


def _discard(admin: DeliveryAdmin, request: HttpRequest, group: repair.Group, back: str) -> HttpResponse | None:
    if not admin.has_discard_permission(request):
        raise PermissionDenied
    form = ReasonForm(request.POST if confirmed(request) else None)
    if not form.is_valid():
        return confirm(
            admin, request, objects=[group], back=back, button="Discard", title="Discard a group", form=form,
            question=f"Never deliver the {repair.size_of(group)} dead deliveries of this group? They stay on record.",
        )  # fmt: skip
    reason = form.cleaned_data["reason"]
    outcome = repair.discard(group, actor=request.user.get_username(), reason=reason, limit=AT_ONCE)
    admin.tell(request, outcome, "discarded")
    return None


class DataForm(ReasonForm):
    """The data as text, so that what is not JSON comes back as it was typed."""

    payload = forms.CharField(label="Data", widget=UnfoldAdminTextareaWidget({"rows": 20}), strip=False)
    field_order = ("payload", "reason")

    def clean_payload(self) -> Any:
        try:
            return msgspec.json.decode(self.cleaned_data["payload"])
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            raise forms.ValidationError(f"This is not JSON: {error}") from error


def edit_page(admin: DeliveryAdmin, request: HttpRequest, object_id: str) -> HttpResponse:
    """Shows the difference first; what is posted with `confirmed` is done."""
    page = reverse("admin:events_delivery_change", args=[object_id])
    delivery = Delivery.objects.select_related("event").filter(id=object_id, state=DeliveryState.DEAD).first()
    if delivery is None:
        return HttpResponseRedirect(page)
    initial = {"payload": pretty(repair.handed_over(delivery))}
    form = DataForm(request.POST if request.method == "POST" else None, initial=initial)
    difference = None
    if form.is_valid():
        difference = _edit(request, delivery, form)
        if difference is not None and confirmed(request):
            admin.message_user(request, "The delivery is due again, with the edited data.")
            return HttpResponseRedirect(page)
    context = _context(admin, request, "Edit and retry") | {
        "delivery": delivery,
        "form": form,
        "difference": difference,
        "back": page,
    }
    return TemplateResponse(request, "admin/events/edit.html", context)


def _edit(request: HttpRequest, delivery: Delivery, form: DataForm) -> str | None:
    """What changes; None, with an error in the form, where it cannot be."""
    cleaned = form.cleaned_data
    actor, dry_run = request.user.get_username(), not confirmed(request)
    try:
        return repair.edit(delivery, cleaned["payload"], actor=actor, reason=cleaned["reason"], dry_run=dry_run)
    except Refused as error:
        form.add_error("payload", error.detail)
        return None


def _context(admin: DeliveryAdmin, request: HttpRequest, title: str) -> dict[str, Any]:
    return {
        **admin.admin_site.each_context(request),
        "opts": admin.model._meta,
        "media": admin.media,
        "title": title,
    }
