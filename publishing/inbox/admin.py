"""The admin pages of the inbox: what came from each source, each received event, and what could not be read."""

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
from desk.readonly import ReadOnlyAdmin, SearchableAdmin, code, link
from desk.theme import ActionVariant, ChoicesCheckboxFilter, RadioFilter, action, badge, display
from publishing.inbox.repair import discard, retry, waiting
from publishing.models import Inbox, ReceivedEvent, UnreadableMessage

MOST_SHOWN = 100_000
"""Bytes of a body that its page shows."""


@admin.register(Inbox)
class InboxAdmin(ReadOnlyAdmin):
    list_display = ("source", "broker", "received", "repeated", "skipped", "unreadable", "state", "moved_at")
    ordering = ("source", "broker")
    sortable_by = ()
    fields = (
        "source", "broker", "received", "repeated", "skipped", "last_skipped", "unreadable", "moved_at", "state",
        "error", "failed_at",
    )  # fmt: skip

    @display(description="State")
    def state(self, inbox: Inbox) -> SafeString:
        return badge("failing", "danger") if inbox.error else badge("on", "success")


@admin.register(ReceivedEvent)
class ReceivedEventAdmin(SearchableAdmin):
    list_display = ("foreign_id", "foreign_source", "source", "event", "received_at")
    search_fields = ("foreign_id",)
    search_help_text = "Enter the complete id that the source gave to its event"
    ordering = ("-id",)
    sortable_by = ()
    fields = ("source", "foreign_source", "foreign_id", "event", "received_at")

    def find(self, queryset: QuerySet[ReceivedEvent], term: str) -> QuerySet[ReceivedEvent]:
        return queryset.filter(foreign_id=term)

    @display(description="Event")
    def event(self, received: ReceivedEvent) -> SafeString:
        return link(reverse("admin:events_storedevent_change", args=[received.position]), received.position)


class WaitingFilter(RadioFilter):
    title = "what was done"
    parameter_name = "done"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("nothing", "nothing yet")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[UnreadableMessage]) -> QuerySet[UnreadableMessage]:
        return queryset & waiting() if self.value() else queryset


@admin.register(UnreadableMessage)
class UnreadableMessageAdmin(ReadOnlyAdmin):
    list_display = ("id", "reason_badge", "source", "at", "error", "received_at", "retried_at", "discarded_at")
    list_filter = (("reason", ChoicesCheckboxFilter), WaitingFilter)
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        "reason_badge", "error", "source", "broker", "at", "received_at", "retried_at", "discarded_at",
        "headers_text", "body_text",
    )  # fmt: skip
    actions = ("retry_selected", "discard_selected")
    actions_detail = ("retry_one", "discard_one")

    def get_queryset(self, request: HttpRequest) -> QuerySet[UnreadableMessage]:
        found: QuerySet[UnreadableMessage] = super().get_queryset(request)
        return found if request.resolver_match and request.resolver_match.kwargs else found.defer("body")

    def has_retry_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("publishing.retry_unreadablemessage")

    def has_discard_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("publishing.discard_unreadablemessage")

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        waits = waiting().filter(id=object_id).exists()
        actions: list[Any] = super().get_actions_detail(request, object_id) if waits else []
        return actions

    @display(description="Reason")
    def reason_badge(self, message: UnreadableMessage) -> SafeString:
        return badge(message.get_reason_display(), "" if message.retried_at or message.discarded_at else "danger")

    @display(description="Place")
    def at(self, message: UnreadableMessage) -> str:
        if message.partition is None:
            return message.place
        return f"{message.place}, partition {message.partition}, offset {message.offset}"

    @display(description="Headers")
    def headers_text(self, message: UnreadableMessage) -> SafeString:
        return code(pretty(json.loads(message.headers)))

    @display(description="Body")
    def body_text(self, message: UnreadableMessage) -> SafeString:
        body = bytes(message.body)
        more = f"\n… and {len(body) - MOST_SHOWN} more bytes" if len(body) > MOST_SHOWN else ""
        return code(body[:MOST_SHOWN].decode(errors="backslashreplace") + more)

    @action(description="Receive selected messages again", permissions=["retry"], icon="replay")
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[UnreadableMessage]) -> HttpResponse | None:
        if confirmed(request):
            self._retry(request, list(queryset.values_list("id", flat=True)))
            return None
        return confirm(
            self, request, objects=queryset[: self.list_per_page], action="retry_selected", button="Retry",
            title="Receive unreadable messages again", question="Read these messages again, with the code of now?",
            back=request.get_full_path(),
        )  # fmt: skip

    @action(description="Retry", permissions=["retry"], url_path="retry", icon="replay", variant=ActionVariant.PRIMARY)
    def retry_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        page = reverse("admin:publishing_unreadablemessage_change", args=[object_id])
        if confirmed(request):
            self._retry(request, [int(object_id)])
            return HttpResponseRedirect(page)
        return confirm(
            self, request, objects=UnreadableMessage.objects.filter(id=object_id), button="Retry", back=page,
            title="Receive an unreadable message again", question="Read this message again, with the code of now?",
        )  # fmt: skip

    @action(description="Discard selected messages", permissions=["discard"], icon="delete")
    def discard_selected(self, request: HttpRequest, queryset: QuerySet[UnreadableMessage]) -> HttpResponse | None:
        return self._discard(request, queryset, back=request.get_full_path(), action="discard_selected")

    @action(description="Discard", permissions=["discard"], url_path="discard", icon="delete")
    def discard_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        page = reverse("admin:publishing_unreadablemessage_change", args=[object_id])
        asked = self._discard(request, UnreadableMessage.objects.filter(id=object_id), back=page)
        return asked or HttpResponseRedirect(page)

    def _discard(
        self, request: HttpRequest, chosen: QuerySet[UnreadableMessage], *, back: str, action: str = ""
    ) -> HttpResponse | None:
        form = ReasonForm(request.POST if confirmed(request) else None)
        if not form.is_valid():
            return confirm(
                self, request, objects=chosen[: self.list_per_page], action=action, back=back, button="Discard",
                title="Discard unreadable messages", form=form,
                question="Never receive these messages? They are deleted after the retention time.",
            )  # fmt: skip
        ids = list(chosen.values_list("id", flat=True))
        discarded = discard(ids, actor=actor_of(request.user), reason=form.cleaned_data["reason"])
        level = messages.SUCCESS if discarded else messages.WARNING
        self.message_user(request, f"Discarded: {discarded}.", level)
        return None

    def _retry(self, request: HttpRequest, ids: Collection[int]) -> None:
        done = retry(ids, actor=actor_of(request.user))
        self.message_user(request, str(done), messages.WARNING if done.unreadable else messages.SUCCESS)
