"""Sagas, for people: what runs, what turned back, what is stuck and where."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesCheckboxFilter, RadioFilter
from unfold.decorators import display

from events.readonly import ReadOnlyAdmin, badge
from sagas.declare import sagas
from sagas.models import SagaRun
from sagas.picture import RUN_COLOURS, pictures
from sagas.plan import RunState


class SagaFilter(RadioFilter):
    title = "saga"
    parameter_name = "saga"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(one.name, one.name) for one in sagas()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[SagaRun]) -> QuerySet[SagaRun]:
        return queryset.filter(saga=self.value()) if self.value() else queryset


@admin.register(SagaRun)
class SagaRunAdmin(ReadOnlyAdmin):
    list_display = ("id", "saga", "state_badge", "reason_code", "subject", "started_at", "finished_at")
    list_filter = (("state", ChoicesCheckboxFilter), SagaFilter)
    search_fields = ("subject",)
    search_help_text = "The whole id of an order"
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        "saga", "state_badge", "subject_link", "reason_code", "reason", "started_at", "finished_at", "wake_at",
        "actor", "correlation_id", "causation_id", "traceparent",
    )  # fmt: skip
    change_form_before_template = "admin/sagas/pictures.html"

    class Media:
        css = {"all": ["events/admin.css", "sagas/admin.css"]}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[SagaRun], search_term: str
    ) -> tuple[QuerySet[SagaRun], bool]:
        if not search_term:
            return queryset, False
        try:
            return queryset.filter(subject=UUID(search_term.strip())), False
        except ValueError:
            return queryset.none(), False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        run = self.get_object(request, object_id)
        context = {"pictures": pictures([run]) if run else []} | (extra_context or {})
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    @display(description="State")
    def state_badge(self, run: SagaRun) -> SafeString:
        return badge(run.state, RUN_COLOURS[RunState(run.state)])

    @display(description="Subject")
    def subject_link(self, run: SagaRun) -> SafeString:
        url = reverse(settings.SAGA_SUBJECT_PAGE, args=[run.subject])
        return format_html('<a class="text-link" href="{}">{}</a>', url, run.subject)
