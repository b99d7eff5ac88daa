"""The log and its deliveries, for people: read everything, retry what is dead."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesCheckboxFilter, RadioFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from events.models import Delivery, DeliveryState, StoredEvent
from events.readonly import ReadOnlyAdmin, badge
from events.registry import declared
from events.repair import retry_dead
from events.staff import audit, confirm, confirmed
from events.subscribers import subscribers
from events.timeline import COLOURS, pretty, sendings


class TypeFilter(RadioFilter):
    """The declared types; asking the table would read all of it."""

    title = "type"
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in sorted({event.type for event in declared()})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[StoredEvent]) -> QuerySet[StoredEvent]:
        return queryset.filter(type=self.value()) if self.value() else queryset


class SubscriberFilter(RadioFilter):
    title = "subscriber"
    parameter_name = "subscriber"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(one.name, one.name) for one in subscribers()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
        return queryset.filter(subscriber=self.value()) if self.value() else queryset


def streams_for(term: str) -> list[str]:
    """A whole stream's name, or the id of what it is about: then its streams of every kind."""
    term = term.strip()
    try:
        subject = UUID(term)
    except ValueError:
        return [term]
    return sorted({f"{event.stream_kind}:{subject}" for event in declared()})


@admin.register(StoredEvent)
class StoredEventAdmin(ReadOnlyAdmin):
    list_display = ("position", "type", "stream", "stream_version", "source", "time")
    list_filter = (TypeFilter,)
    search_fields = ("stream",)
    search_help_text = "A stream, such as order:<id>, or the id alone for all its streams"
    ordering = ("-position",)
    sortable_by = ()
    fields = (
        "position", "event_id", "type", "version", "stream", "stream_version", "time", "source", "actor",
        "correlation_id", "causation_id", "traceparent", "payload",
    )  # fmt: skip
    change_form_after_template = "admin/events/sent.html"

    class Media:
        css = {"all": ["events/admin.css"]}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[StoredEvent], search_term: str
    ) -> tuple[QuerySet[StoredEvent], bool]:
        return (queryset.filter(stream__in=streams_for(search_term)) if search_term else queryset), False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context: dict[str, Any] = {"may_view_delivery": request.user.has_perm("events.view_delivery")}
        if context["may_view_delivery"] and (event := self.get_object(request, object_id)):
            context["sendings"] = sendings([event])
        response: HttpResponse = super().change_view(request, object_id, form_url, context | (extra_context or {}))
        return response

    @display(description="Data")
    def payload(self, event: StoredEvent) -> SafeString:
        return format_html('<pre class="code">{}</pre>', pretty(event.data))


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ("id", "event_type", "subscriber", "state_badge", "attempts", "due_at", "done_at")
    list_filter = (("state", ChoicesCheckboxFilter), SubscriberFilter)
    list_select_related = ("event",)
    ordering = ("-id",)
    sortable_by = ()
    fields = ("event_link", "subscriber", "state_badge", "stream", "leases", "attempts", "due_at", "done_at")
    actions = ("retry_selected",)
    actions_detail = ("retry_one",)
    change_form_after_template = "admin/events/tried.html"

    class Media:
        css = {"all": ["events/admin.css"]}

    def has_retry_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("events.retry_delivery")

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

    @action(description="Retry selected dead deliveries", permissions=["retry"], icon="replay")
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> HttpResponse | None:
        if confirmed(request):
            self._retry(request, queryset.values_list("id", flat=True))
            return None
        return confirm(
            self, request, objects=queryset[: self.list_per_page], action="retry_selected", button="Retry",
            title="Retry dead deliveries", question="Send these again? Those that are not dead are left alone.",
            back=request.get_full_path(),
        )  # fmt: skip

    @action(description="Retry", permissions=["retry"], url_path="retry", icon="replay", variant=ActionVariant.PRIMARY)
    def retry_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        page = reverse("admin:events_delivery_change", args=[object_id])
        if confirmed(request):
            self._retry(request, [int(object_id)])
            return HttpResponseRedirect(page)
        return confirm(
            self, request, objects=Delivery.objects.filter(id=object_id), button="Retry", back=page,
            title="Retry a dead delivery", question="Send this delivery again?",
        )  # fmt: skip

    def _retry(self, request: HttpRequest, ids: Iterable[int]) -> None:
        with transaction.atomic():
            dead = list(Delivery.objects.filter(id__in=list(ids), state=DeliveryState.DEAD).select_for_update())
            retried = retry_dead([delivery.id for delivery in dead])
            audit(request, dead, "Retried: it was dead.")
        level = messages.SUCCESS if retried else messages.WARNING
        self.message_user(request, f"{retried} dead deliveries are due again.", level)
