"""The log, for people, and the door to the admin's other pages about events."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RadioFilter
from unfold.decorators import display

from events.audit_admin import AuditAdmin
from events.breaker_admin import BreakerAdmin
from events.dead_message_admin import DeadMessageAdmin
from events.delivery_admin import DeliveryAdmin
from events.models import StoredEvent
from events.readonly import ReadOnlyAdmin
from events.registry import declared
from events.replay_admin import ReplayAdmin
from events.timeline import pretty, sendings

__all__ = ["AuditAdmin", "BreakerAdmin", "DeadMessageAdmin", "DeliveryAdmin", "ReplayAdmin", "StoredEventAdmin"]


class TypeFilter(RadioFilter):
    """The declared types; asking the table would read all of it."""

    title = "type"
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in sorted({event.type for event in declared()})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[StoredEvent]) -> QuerySet[StoredEvent]:
        return queryset.filter(type=self.value()) if self.value() else queryset


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
