"""The admin page of deliveries. Staff can retry, edit or discard dead letters singly, by selection or by group."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString

from desk.actors import actor_of
from desk.confirm import ReasonForm, confirm, confirmed
from desk.json_text import pretty
from desk.readonly import DeclaredFilter, code, link
from desk.theme import ActionVariant, ChoicesCheckboxFilter, action, badge, display
from events.dead_letters import repair
from events.dead_letters.pages import DeliveryPages, edit_page, groups_page
from events.declare.subscribers import subscribers
from events.models import Delivery, DeliveryState
from events.timeline.moments import COLOURS, failed_attempts, with_failures


class SubscriberFilter(DeclaredFilter):
    title = parameter_name = "subscriber"

    def names(self) -> list[str]:
        return [one.name for one in subscribers()]


@admin.register(Delivery)
class DeliveryAdmin(DeliveryPages):
    list_display = ("id", "event_type", "subscriber", "state_badge", "failed", "due", "done_at")
    list_filter = (("state", ChoicesCheckboxFilter), SubscriberFilter)
    list_select_related = ("event",)
    ordering = ("-id",)
    sortable_by = ()
    fields = ("event_link", "subscriber", "state_badge", "stream", "leases", "failed", "due", "done_at")
    actions = ("retry_selected", "discard_selected")
    actions_list = ("groups",)
    actions_detail = ("retry_one", "edit_one", "discard_one")
    change_form_after_template = "admin/events/tried.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        return with_failures(super().get_queryset(request))

    def get_fields(self, request: HttpRequest, obj: Delivery | None = None) -> tuple[str, ...]:
        edited = ("edited_payload",) if obj and obj.edited_data is not None else ()
        return (*self.fields, *edited)

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        dead = Delivery.objects.filter(id=object_id, state=DeliveryState.DEAD).exists()
        actions: list[Any] = super().get_actions_detail(request, object_id) if dead else []
        return actions

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        delivery = self.get_object(request, object_id)
        failures = delivery.failures.order_by("id") if delivery else ()
        context = {"failures": failures} | (extra_context or {})
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    @display(description="Event")
    def event_type(self, delivery: Delivery) -> str:
        return delivery.event.type

    @display(description="State")
    def state_badge(self, delivery: Delivery) -> SafeString:
        return badge(delivery.state, COLOURS[DeliveryState(delivery.state)])

    @display(description="Failed attempts")
    def failed(self, delivery: Any) -> str:
        return failed_attempts(delivery.failures_in_all, delivery.attempts)

    @display(description="Due")
    def due(self, delivery: Delivery) -> datetime | None:
        return delivery.due_at if delivery.state == DeliveryState.PENDING else None

    @display(description="Event")
    def event_link(self, delivery: Delivery) -> SafeString:
        url = reverse("admin:events_storedevent_change", args=[delivery.event_id])
        return link(url, delivery.event)

    @display(description="Edited data")
    def edited_payload(self, delivery: Delivery) -> SafeString:
        return code(pretty(delivery.edited_data))

    @action(description="Dead letters by error", permissions=["view"], url_path="groups", icon="stacks")
    def groups(self, request: HttpRequest) -> HttpResponse:
        return groups_page(self, request)

    @action(description="Retry selected dead deliveries", permissions=["retry"], icon="replay")
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> HttpResponse | None:
        return self._retry(request, queryset, back=request.get_full_path(), action="retry_selected")

    @action(description="Retry", permissions=["retry"], url_path="retry", icon="replay", variant=ActionVariant.PRIMARY)
    def retry_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        page = reverse("admin:events_delivery_change", args=[object_id])
        asked = self._retry(request, Delivery.objects.filter(id=object_id), back=page)
        return asked or HttpResponseRedirect(page)

    @action(description="Discard selected dead deliveries", permissions=["discard"], icon="delete")
    def discard_selected(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> HttpResponse | None:
        return self._discard(request, queryset, back=request.get_full_path(), action="discard_selected")

    @action(description="Discard", permissions=["discard"], url_path="discard", icon="delete")
    def discard_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        page = reverse("admin:events_delivery_change", args=[object_id])
        asked = self._discard(request, Delivery.objects.filter(id=object_id), back=page)
        return asked or HttpResponseRedirect(page)

    @action(description="Edit data", permissions=["edit"], url_path="edit", icon="edit")
    def edit_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return edit_page(self, request, object_id)

    def _retry(
        self, request: HttpRequest, chosen: QuerySet[Delivery], *, back: str, action: str = ""
    ) -> HttpResponse | None:
        if not confirmed(request):
            return confirm(
                self, request, objects=chosen[: self.list_per_page], action=action, back=back, button="Retry",
                title="Retry dead deliveries", question="Deliver these again? Only dead deliveries are retried.",
            )  # fmt: skip
        ids = list(chosen.values_list("id", flat=True))
        self.report(request, repair.retry(ids, actor=actor_of(request.user)), "due again")
        return None

    def _discard(
        self, request: HttpRequest, chosen: QuerySet[Delivery], *, back: str, action: str = ""
    ) -> HttpResponse | None:
        form = ReasonForm(request.POST if confirmed(request) else None)
        if not form.is_valid():
            return confirm(
                self, request, objects=chosen[: self.list_per_page], action=action, back=back, button="Discard",
                title="Discard dead deliveries", question="Discard these for good? They stay on record.", form=form,
            )  # fmt: skip
        ids = list(chosen.values_list("id", flat=True))
        outcome = repair.discard(ids, actor=actor_of(request.user), reason=form.cleaned_data["reason"])
        self.report(request, outcome, "discarded")
        return None
