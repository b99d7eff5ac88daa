"""The admin pages of publishers and of the streams that they hold."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from desk.actors import actor_of
from desk.confirm import ReasonForm, confirm, confirmed
from desk.readonly import ReadOnlyAdmin, SearchableAdmin, link
from desk.theme import ActionVariant, action, badge, display
from events.models import StoredEvent
from publishing import selectors, services
from publishing.inbox import admin as inbox_admin
from publishing.models import Cursor, HeldStream


@admin.register(Cursor)
class CursorAdmin(ReadOnlyAdmin):
    """How far each publisher is. What is behind is counted when the page is shown."""

    list_display = ("publisher", "slot", "kind", "position", "behind", "state", "held", "unrouted", "moved_at")
    ordering = ("publisher", "backfill", "slot")
    sortable_by = ()
    fields = (
        "publisher", "slot", "slots", "kind", "first", "position", "until", "behind", "state", "failures", "error",
        "failed_at", "moved_at", "held", "unrouted",
    )  # fmt: skip

    @display(description="Kind")
    def kind(self, cursor: Cursor) -> SafeString | str:
        if not cursor.backfill:
            return "live"
        share = selectors.share_of(cursor)
        return format_html('backfill <progress value="{}" max="1"></progress>', f"{share:.3f}")

    @display(description="Behind")
    def behind(self, cursor: Cursor) -> str:
        lag = selectors.lag_of(cursor)
        return f"{lag.events} events, {lag.seconds:.0f} s" if lag.events else "nothing"

    @display(description="State")
    def state(self, cursor: Cursor) -> SafeString:
        return badge("failing", "danger") if cursor.error else badge("on", "success")

    @display(description="Held streams")
    def held(self, cursor: Cursor) -> SafeString:
        url = f"{reverse('admin:publishing_heldstream_changelist')}?publisher={cursor.publisher}"
        return link(url, selectors.held_counts()[cursor.publisher])


@admin.register(HeldStream)
class HeldStreamAdmin(SearchableAdmin):
    list_display = ("stream", "publisher", "event", "attempts", "next_attempt", "error", "since")
    list_filter = ("publisher",)
    search_fields = ("stream",)
    search_help_text = "Enter the complete name of a stream"
    ordering = ("-id",)
    sortable_by = ()
    fields = ("publisher", "stream", "event", "attempts", "next_attempt", "error", "since")
    actions = ("retry_selected", "skip_selected")
    actions_detail = ("retry_one", "skip_one")

    def find(self, queryset: QuerySet[HeldStream], term: str) -> QuerySet[HeldStream]:
        return queryset.filter(stream=term)

    @display(description="Refused event")
    def event(self, held: HeldStream) -> SafeString | str:
        event = StoredEvent.objects.filter(stream=held.stream, position__gte=held.position).first()
        return link(reverse("admin:events_storedevent_change", args=[event.position]), event) if event else "none"

    @display(description="Next attempt")
    def next_attempt(self, held: HeldStream) -> str:
        return f"{held.due_at:%Y-%m-%d %H:%M:%S}" if held.due_at else "waits for a person"

    def has_retry_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("publishing.retry_heldstream")

    def has_skip_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("publishing.skip_heldstream")

    @action(description="Retry selected streams", permissions=["retry"], icon="replay")
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[HeldStream]) -> HttpResponse | None:
        return self._retry(request, queryset, back=request.get_full_path(), action="retry_selected")

    @action(description="Retry", permissions=["retry"], url_path="retry", icon="replay", variant=ActionVariant.PRIMARY)
    def retry_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        asked = self._retry(request, HeldStream.objects.filter(id=object_id), back=_page(object_id))
        return asked or HttpResponseRedirect(_list())

    @action(description="Skip the refused event of selected streams", permissions=["skip"], icon="skip_next")
    def skip_selected(self, request: HttpRequest, queryset: QuerySet[HeldStream]) -> HttpResponse | None:
        return self._skip(request, queryset, back=request.get_full_path(), action="skip_selected")

    @action(description="Skip the event", permissions=["skip"], url_path="skip", icon="skip_next")
    def skip_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        asked = self._skip(request, HeldStream.objects.filter(id=object_id), back=_page(object_id))
        return asked or HttpResponseRedirect(_list())

    def _retry(
        self, request: HttpRequest, chosen: QuerySet[HeldStream], *, back: str, action: str = ""
    ) -> HttpResponse | None:
        if not confirmed(request):
            return confirm(
                self, request, objects=chosen[: self.list_per_page], action=action, back=back, button="Retry",
                title="Retry held streams", question="Publish these streams again, from the refused event on?",
            )  # fmt: skip
        count = services.retry(_of(chosen), actor=actor_of(request.user))
        self.message_user(request, f"Due again: {count}.", messages.SUCCESS)
        return None

    def _skip(
        self, request: HttpRequest, chosen: QuerySet[HeldStream], *, back: str, action: str = ""
    ) -> HttpResponse | None:
        form = ReasonForm(request.POST if confirmed(request) else None)
        if not form.is_valid():
            return confirm(
                self, request, objects=chosen[: self.list_per_page], action=action, back=back, button="Skip",
                title="Skip refused events", form=form,
                question="Never publish the refused event of these streams, and go on with the next one?",
            )  # fmt: skip
        count = services.skip(_of(chosen), actor=actor_of(request.user), reason=form.cleaned_data["reason"])
        self.message_user(request, f"Skipped: {count}.", messages.SUCCESS)
        return None


def _of(chosen: QuerySet[HeldStream]) -> QuerySet[HeldStream]:
    """The same rows, without the order and the joins of the list."""
    ids: list[Any] = list(chosen.values_list("id", flat=True))
    return HeldStream.objects.filter(id__in=ids)


def _page(object_id: str) -> str:
    return reverse("admin:publishing_heldstream_change", args=[object_id])


def _list() -> str:
    return reverse("admin:publishing_heldstream_changelist")


__all__ = ["CursorAdmin", "HeldStreamAdmin", "inbox_admin"]
