"""The admin page of the event log. Importing this module also registers the kernel's other admin pages."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from desk.json_text import pretty
from desk.readonly import DeclaredFilter, NamedActor, SearchableAdmin, as_uuid, code
from desk.theme import display
from events.breakers.admin import BreakerAdmin
from events.dead_letters.admin import DeliveryAdmin
from events.declare.registry import declared
from events.models import StoredEvent
from events.replay.admin import ReplayAdmin
from events.timeline.moments import sendings
from events.worker.dead_message_admin import DeadMessageAdmin

__all__ = ["BreakerAdmin", "DeadMessageAdmin", "DeliveryAdmin", "ReplayAdmin", "StoredEventAdmin"]


class TypeFilter(DeclaredFilter):
    title = parameter_name = "type"

    def names(self) -> list[str]:
        return sorted({event.type for event in declared()})


def streams_for(term: str) -> list[str]:
    """A whole stream's name, or the id of what it is about: then its streams of every kind."""
    subject = as_uuid(term)
    return sorted({f"{event.stream_kind}:{subject}" for event in declared()}) if subject else [term]


@admin.register(StoredEvent)
class StoredEventAdmin(NamedActor, SearchableAdmin):
    has_history = False
    list_display = ("position", "type", "stream", "stream_version", "source", "time")
    list_filter = (TypeFilter,)
    search_fields = ("stream",)
    search_help_text = "A stream as <kind>:<id>, or the id alone for all its streams"
    ordering = ("-position",)
    sortable_by = ()
    fields = (
        "position", "event_id", "type", "version", "stream", "stream_version", "time", "source", "who",
        "correlation_id", "causation_id", "traceparent", "payload",
    )  # fmt: skip
    change_form_after_template = "admin/events/sent.html"

    def find(self, queryset: QuerySet[StoredEvent], term: str) -> QuerySet[StoredEvent]:
        return queryset.filter(stream__in=streams_for(term))

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
        return code(pretty(event.data))
