"""Sagas, for people: what runs, what turned back, what is stuck and where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesCheckboxFilter, RadioFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget

from events.readonly import ReadOnlyAdmin, badge
from events.staff import ReasonForm, confirm, confirmed
from sagas import repair
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


class SkipForm(ReasonForm):
    def __init__(self, data: Any, steps: Sequence[str]) -> None:
        super().__init__(data)
        choices = [(step, step) for step in steps]
        self.fields["step"] = forms.ChoiceField(choices=choices, widget=UnfoldAdminSelectWidget)
        self.order_fields(["step", "reason"])


@admin.register(SagaRun)
class SagaRunAdmin(ReadOnlyAdmin):
    list_display = ("id", "saga", "state_badge", "reason_code", "subject", "started_at", "finished_at")
    list_filter = (("state", ChoicesCheckboxFilter), SagaFilter)
    search_fields = ("subject",)
    search_help_text = "The whole id of an order"
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        "saga", "state_badge", "subject_link", "part", "reason_code", "reason", "started_at", "finished_at", "wake_at",
        "actor", "correlation_id", "causation_id", "traceparent",
    )  # fmt: skip
    actions_detail = ("retry_one", "skip_one", "compensate_one")
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

    def has_repair_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("sagas.repair_saga")

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        run = self.get_object(request, object_id)
        may = repair.repairs(run) if run else None
        possible = {"retry": may and may.retry, "skip": may and may.stuck, "compensate": may and may.compensate}
        return [one for one in super().get_actions_detail(request, object_id) if possible[one.path]]

    @action(description="Retry", permissions=["repair"], url_path="retry", icon="replay", variant=ActionVariant.PRIMARY)
    def retry_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._repair(
            request, object_id, title="Retry", button="Retry", question="Try again what is stuck?",
            form=ReasonForm, deed=lambda run, cleaned, actor: repair.retry(run.id, actor=actor, **cleaned),
        )  # fmt: skip

    @action(description="Skip a step", permissions=["repair"], url_path="skip", icon="skip_next")
    def skip_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._repair(
            request, object_id, title="Skip a step", button="Skip",
            question="Count the step as settled? It is neither done nor undone any more by the saga.",
            form=SkipForm, deed=lambda run, cleaned, actor: repair.skip(run.id, actor=actor, **cleaned),
        )  # fmt: skip

    @action(description="Compensate", permissions=["repair"], url_path="compensate", icon="undo")
    def compensate_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._repair(
            request, object_id, title="Compensate", button="Turn it back",
            question="Turn the saga back? All that it has done is undone.",
            form=ReasonForm, deed=lambda run, cleaned, actor: repair.compensate(run.id, actor=actor, **cleaned),
        )  # fmt: skip

    def _repair(
        self,
        request: HttpRequest,
        object_id: str,
        *,
        title: str,
        question: str,
        button: str,
        form: type[ReasonForm],
        deed: Callable[[SagaRun, dict[str, Any], str], None],
    ) -> HttpResponse:
        """The page that asks, until there is a reason and a yes; then back to where the button was."""
        run = self.get_object(request, object_id)
        if run is None:
            return HttpResponseRedirect(reverse("admin:sagas_sagarun_changelist"))
        back = _page(run, of_subject="subject" in request.GET)
        posted = request.POST if confirmed(request) else None
        filled = SkipForm(posted, repair.repairs(run).stuck) if form is SkipForm else form(posted)
        if not filled.is_valid():
            return confirm(
                self, request, objects=[run], title=title, question=question, button=button, form=filled, back=back
            )
        try:
            deed(run, filled.cleaned_data, request.user.get_username())
        except repair.NotRepairable as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, f"{title}: the saga goes on within a second or two.", messages.SUCCESS)
        return HttpResponseRedirect(back)

    @display(description="State")
    def state_badge(self, run: SagaRun) -> SafeString:
        return badge(run.state, RUN_COLOURS[RunState(run.state)])

    @display(description="Subject")
    def subject_link(self, run: SagaRun) -> SafeString:
        url = reverse(settings.SAGA_SUBJECT_PAGE, args=[run.subject])
        return format_html('<a class="text-link" href="{}">{}</a>', url, run.subject)


def _page(run: SagaRun, *, of_subject: bool) -> str:
    if of_subject:
        return reverse(settings.SAGA_SUBJECT_PAGE, args=[run.subject])
    return reverse("admin:sagas_sagarun_change", args=[run.id])
