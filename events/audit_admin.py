"""The audit, for people. Nobody writes in it by hand."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from events.models import Audit
from events.readonly import ReadOnlyAdmin
from events.timeline import pretty


def audit_of(target_id: object) -> str:
    """Where all that was done to this delivery, or saga, is listed."""
    return f"{reverse('admin:events_audit_changelist')}?{urlencode({'q': str(target_id)})}"


@admin.register(Audit)
class AuditAdmin(ReadOnlyAdmin):
    list_display = ("at", "actor", "action", "target_kind", "targets", "reason")
    search_fields = ("target_ids",)
    search_help_text = "The whole id of a delivery or a saga"
    ordering = ("-id",)
    sortable_by = ()
    fields = ("at", "actor", "action", "target_kind", "reason", "ids", "shown_details")

    class Media:
        css = {"all": ["events/admin.css"]}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Audit], search_term: str
    ) -> tuple[QuerySet[Audit], bool]:
        return (queryset.filter(target_ids__contains=[search_term.strip()]) if search_term else queryset), False

    @display(description="Targets")
    def targets(self, line: Audit) -> str:
        first, *more = line.target_ids
        return f"{first} and {len(more)} more" if more else str(first)

    @display(description="Targets")
    def ids(self, line: Audit) -> str:
        return ", ".join(line.target_ids)

    @display(description="Details")
    def shown_details(self, line: Audit) -> SafeString:
        return format_html('<pre class="code">{}</pre>', pretty(line.details))
