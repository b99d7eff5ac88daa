"""The admin page of saga runs: their state and steps, and the repair of stuck ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from desk.actors import actor_of
from desk.confirm import ReasonForm, confirm, confirmed
from desk.readonly import DeclaredFilter, NamedActor, SearchableAdmin, as_uuid, link
from desk.theme import ActionVariant, ChoicesCheckboxFilter, Select, action, badge, display
from sagas.conf import saga_settings
from sagas.definition import definitions
from sagas.models import SagaRun
from sagas.operations import repair
from sagas.operations.picture import RUN_COLOURS, pictures
from sagas.operations.subject import SUBJECT
from sagas.plan import RunState


class SagaFilter(DeclaredFilter):
    title = parameter_name = "saga"

    def names(self) -> list[str]:
        return [one.name for one in definitions()]


class SkipForm(ReasonForm):
    def __init__(self, data: Any, steps: Sequence[str]) -> None:
        super().__init__(data)
        choices = [(step, step) for step in steps]
        self.fields["step"] = forms.ChoiceField(choices=choices, widget=Select)
        self.order_fields(["step", "reason"])


@admin.register(SagaRun)
class SagaRunAdmin(NamedActor, SearchableAdmin):
    list_display = ("id", "saga", "state_badge", "reason_code", "subject", "started_at", "finished_at")
    list_filter = (("state", ChoicesCheckboxFilter), SagaFilter)
    search_fields = ("subject",)
    search_help_text = f"The {SUBJECT}'s whole id"
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        "saga", "state_badge", "subject_link", "part", "reason_code", "reason", "started_at", "finished_at", "wake_at",
        "who", "correlation_id", "causation_id", "traceparent",
    )  # fmt: skip
    actions_detail = ("retry_one", "skip_one", "compensate_one")
    change_form_before_template = "admin/sagas/pictures.html"

    class Media:
        css = {"all": ["sagas/admin.css"]}

    def find(self, queryset: QuerySet[SagaRun], term: str) -> QuerySet[SagaRun]:
        subject = as_uuid(term)
        return queryset.filter(subject=subject) if subject else queryset.none()

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
            request, object_id, title="Retry", button="Retry", question="Retry the stuck steps?",
            form=ReasonForm, operation=lambda run, cleaned, actor: repair.retry(run.id, actor=actor, **cleaned),
        )  # fmt: skip

    @action(description="Skip a step", permissions=["repair"], url_path="skip", icon="skip_next")
    def skip_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._repair(
            request, object_id, title="Skip a step", button="Skip",
            question="Mark the step as resolved by hand? The saga will neither run it nor undo it.",
            form=SkipForm, operation=lambda run, cleaned, actor: repair.skip(run.id, actor=actor, **cleaned),
        )  # fmt: skip

    @action(description="Compensate", permissions=["repair"], url_path="compensate", icon="undo")
    def compensate_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._repair(
            request, object_id, title="Compensate", button="Compensate",
            question="Compensate the saga? It will undo all its completed steps.",
            form=ReasonForm, operation=lambda run, cleaned, actor: repair.compensate(run.id, actor=actor, **cleaned),
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
        operation: Callable[[SagaRun, dict[str, Any], str], None],
    ) -> HttpResponse:
        """Shows the confirmation page until it is confirmed with a valid form; then redirects to the previous page."""
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
            operation(run, filled.cleaned_data, actor_of(request.user))
        except repair.NotRepairable as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, f"{title}: the saga continues within a few seconds.", messages.SUCCESS)
        return HttpResponseRedirect(back)

    @display(description="State")
    def state_badge(self, run: SagaRun) -> SafeString:
        return badge(run.state, RUN_COLOURS[RunState(run.state)])

    @display(description="Subject")
    def subject_link(self, run: SagaRun) -> SafeString:
        page = saga_settings.SAGA_SUBJECT_PAGE
        if not page:
            return format_html("{}", run.subject)
        return link(reverse(page, args=[run.subject]), run.subject)


def _page(run: SagaRun, *, of_subject: bool) -> str:
    if of_subject and saga_settings.SAGA_SUBJECT_PAGE:
        return reverse(saga_settings.SAGA_SUBJECT_PAGE, args=[run.subject])
    return reverse("admin:sagas_sagarun_change", args=[run.id])
