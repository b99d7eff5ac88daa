"""The admin page of dead messages. Staff can read them, send them again or discard them."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString

from desk.actors import actor_of
from desk.confirm import ReasonForm, confirm, confirmed
from desk.json_text import pretty
from desk.readonly import ReadOnlyAdmin, code
from desk.theme import ActionVariant, ChoicesCheckboxFilter, RadioFilter, action, badge, display
from events.delivery.broker import AWAY
from events.models import DeadMessage
from events.worker.dead_messages import discard, retry, waiting


class WaitingFilter(RadioFilter):
    title = "what was done"
    parameter_name = "done"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("nothing", "nothing yet")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[DeadMessage]) -> QuerySet[DeadMessage]:
        return queryset & waiting() if self.value() else queryset


@admin.register(DeadMessage)
class DeadMessageAdmin(ReadOnlyAdmin):
    list_display = ("id", "reason_badge", "queue", "task", "received_at", "retried_at", "discarded_at")
    list_filter = (("reason", ChoicesCheckboxFilter), WaitingFilter)
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        "reason_badge",
        "queue",
        "task",
        "error",
        "received_at",
        "retried_at",
        "discarded_at",
        "headers_text",
        "body_text",
    )
    actions = ("retry_selected", "discard_selected")
    actions_detail = ("retry_one", "discard_one")

    def has_retry_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("events.retry_deadmessage")

    def has_discard_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("events.discard_deadmessage")

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        waits = waiting().filter(id=object_id).exists()
        actions: list[Any] = super().get_actions_detail(request, object_id) if waits else []
        return actions

    @display(description="Reason")
    def reason_badge(self, message: DeadMessage) -> SafeString:
        return badge(message.reason, "" if message.retried_at or message.discarded_at else "danger")

    @display(description="Headers")
    def headers_text(self, message: DeadMessage) -> SafeString:
        return code(pretty(json.loads(message.headers)))

    @display(description="Body")
    def body_text(self, message: DeadMessage) -> SafeString:
        return code(bytes(message.body).decode(errors="backslashreplace"))

    @action(description="Send selected messages again", permissions=["retry"], icon="replay")
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[DeadMessage]) -> HttpResponse | None:
        if confirmed(request):
            self._retry(request, list(queryset.values_list("id", flat=True)))
            return None
        return confirm(
            self, request, objects=queryset[: self.list_per_page], action="retry_selected", button="Retry",
            title="Retry dead messages", question="Send these again? Messages already sent again are skipped.",
            back=request.get_full_path(),
        )  # fmt: skip

    @action(description="Retry", permissions=["retry"], url_path="retry", icon="replay", variant=ActionVariant.PRIMARY)
    def retry_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        page = reverse("admin:events_deadmessage_change", args=[object_id])
        if confirmed(request):
            self._retry(request, [int(object_id)])
            return HttpResponseRedirect(page)
        return confirm(
            self, request, objects=DeadMessage.objects.filter(id=object_id), button="Retry", back=page,
            title="Retry a dead message", question="Send this message again?",
        )  # fmt: skip

    @action(description="Discard selected messages", permissions=["discard"], icon="delete")
    def discard_selected(self, request: HttpRequest, queryset: QuerySet[DeadMessage]) -> HttpResponse | None:
        return self._discard(request, queryset, back=request.get_full_path(), action="discard_selected")

    @action(description="Discard", permissions=["discard"], url_path="discard", icon="delete")
    def discard_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        page = reverse("admin:events_deadmessage_change", args=[object_id])
        asked = self._discard(request, DeadMessage.objects.filter(id=object_id), back=page)
        return asked or HttpResponseRedirect(page)

    def _discard(
        self, request: HttpRequest, chosen: QuerySet[DeadMessage], *, back: str, action: str = ""
    ) -> HttpResponse | None:
        form = ReasonForm(request.POST if confirmed(request) else None)
        if not form.is_valid():
            return confirm(
                self, request, objects=chosen[: self.list_per_page], action=action, back=back, button="Discard",
                title="Discard dead messages", form=form,
                question="Discard these for good? They are deleted after the retention time.",
            )  # fmt: skip
        ids = list(chosen.values_list("id", flat=True))
        discarded = discard(ids, actor=actor_of(request.user), reason=form.cleaned_data["reason"])
        level = messages.SUCCESS if discarded else messages.WARNING
        self.message_user(request, f"{discarded} dead messages are discarded.", level)
        return None

    def _retry(self, request: HttpRequest, ids: Collection[int]) -> None:
        try:
            sent = retry(ids, actor=actor_of(request.user))
        except AWAY as error:
            self.message_user(request, f"The broker is unreachable. Try again later: {error}", messages.ERROR)
            return
        level = messages.SUCCESS if sent else messages.WARNING
        self.message_user(request, f"{sent} dead messages were sent again.", level)
