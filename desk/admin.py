"""The read-only admin page of the audit log."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.utils.safestring import SafeString

from desk.json_text import pretty
from desk.models import Audit
from desk.readonly import NamedActor, SearchableAdmin, code
from desk.theme import display


@admin.register(Audit)
class AuditAdmin(NamedActor, SearchableAdmin):
    has_history = False
    list_display = ("at", "who", "action", "target_kind", "targets", "reason")
    search_fields = ("target_ids",)
    search_help_text = "The full id of a target, such as a delivery or a saga"
    ordering = ("-id",)
    sortable_by = ()
    fields = ("at", "who", "action", "target_kind", "reason", "ids", "shown_details")

    def find(self, queryset: QuerySet[Audit], term: str) -> QuerySet[Audit]:
        return queryset.filter(target_ids__contains=[term])

    @display(description="Targets")
    def targets(self, line: Audit) -> str:
        first, *more = line.target_ids
        return f"{first} and {len(more)} more" if more else str(first)

    @display(description="Targets")
    def ids(self, line: Audit) -> str:
        return ", ".join(line.target_ids)

    @display(description="Details")
    def shown_details(self, line: Audit) -> SafeString:
        return code(pretty(line.details))
