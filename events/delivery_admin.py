"""Deliveries, for people: read them, and deal with those that are dead, one by one, selected or by group."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesCheckboxFilter, RadioFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from events import repair
from events.dead_letter_pages import edit_page, groups_page
from events.models import Delivery, DeliveryState
from events.readonly import ReadOnlyAdmin, badge
from events.staff import ReasonForm, confirm, confirmed
from events.subscribers import subscribers
from events.timeline import COLOURS, pretty


class SubscriberFilter(RadioFilter):
    title = "subscriber"
    parameter_name = "subscriber"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(one.name, one.name) for one in subscribers()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
        return queryset.filter(subscriber=self.value()) if self.value() else queryset


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ("id", "event_type", "subscriber", "state_badge", "attempts", "due_at", "done_at")
    list_filter = (("state", ChoicesCheckboxFilter), SubscriberFilter)
    list_select_related = ("event",)
    ordering = ("-id",)
    sortable_by = ()
    fields = ("event_link", "subscriber", "state_badge", "stream", "leases", "attempts", "due_at", "done_at")
    actions = ("retry_selected", "discard_selected")
    actions_list = ("groups",)
    actions_detail = ("retry_one", "edit_one", "discard_one")
    change_form_after_template = "admin/events/tried.html"

    class Media:
        css = {"all": ["events/admin.css"]}

    def has_retry_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("events.retry_delivery")

    def has_discard_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("events.discard_delivery")

    def has_edit_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("events.edit_delivery")

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

    @display(description="Event")
    def event_link(self, delivery: Delivery) -> SafeString:
        url = reverse("admin:events_storedevent_change", args=[delivery.event_id])
        return format_html('<a class="text-link" href="{}">{}</a>', url, delivery.event)

    @display(description="Edited data")
    def edited_payload(self, delivery: Delivery) -> SafeString:
        return format_html('<pre class="code">{}</pre>', pretty(delivery.edited_data))

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
                title="Retry dead deliveries", question="Send these again? Those that are not dead are left alone.",
            )  # fmt: skip
        ids = list(chosen.values_list("id", flat=True))
        self.tell(request, repair.retry(ids, actor=request.user.get_username()), "due again")
        return None

    def _discard(
        self, request: HttpRequest, chosen: QuerySet[Delivery], *, back: str, action: str = ""
    ) -> HttpResponse | None:
        form = ReasonForm(request.POST if confirmed(request) else None)
        if not form.is_valid():
            return confirm(
                self, request, objects=chosen[: self.list_per_page], action=action, back=back, button="Discard",
                title="Discard dead deliveries", question="Never deliver these? They stay on record.", form=form,
            )  # fmt: skip
        ids = list(chosen.values_list("id", flat=True))
        outcome = repair.discard(ids, actor=request.user.get_username(), reason=form.cleaned_data["reason"])
        self.tell(request, outcome, "discarded")
        return None

    def tell(self, request: HttpRequest, outcome: repair.Outcome, deed: str) -> None:
        level = messages.SUCCESS if outcome.done else messages.WARNING
        left = f" {outcome.left} are left: do it once more." if outcome.left else ""
        self.message_user(request, f"{outcome.done} dead deliveries are {deed}.{left}", level)
