"""The admin pages for webhooks and their deliveries. Secrets are never shown; only the owner can create a new one."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesCheckboxFilter
from unfold.decorators import action, display

from desk.actors import actor_of
from desk.confirm import ReasonForm, confirm, confirmed
from desk.readonly import SearchableAdmin, as_uuid, badge, link
from notifications.models import Webhook, WebhookDelivery, WebhookDeliveryState
from notifications.selectors import holding, with_last_try
from notifications.webhooks import endpoints

COLOURS = {
    WebhookDeliveryState.PENDING: "info",
    WebhookDeliveryState.DELIVERED: "success",
    WebhookDeliveryState.FAILED: "danger",
    WebhookDeliveryState.SKIPPED: "warning",
}


class HoldsFilter(SimpleListFilter):
    title = "stream"
    parameter_name = "holds"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Holds its stream")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> QuerySet[WebhookDelivery]:
        return holding(queryset) if self.value() else queryset


@admin.register(Webhook)
class WebhookAdmin(SearchableAdmin):
    list_display = ("url", "owner", "types", "receives", "state", "failing_since", "created_at")
    list_filter = (("disabled_reason", ChoicesCheckboxFilter),)
    list_select_related = ("owner",)
    search_fields = ("url",)
    search_help_text = "Enter the complete id of a webhook or of its owner, or its complete URL"
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        "url", "description", "owner", "types", "receives", "ordered", "state", "failing_since", "last_failure_at",
        "disabled_at", "created_at", "updated_at", "deleted_at", "log",
    )  # fmt: skip
    actions = ("switch_off_selected", "switch_on_selected")

    def find(self, queryset: QuerySet[Webhook], term: str) -> QuerySet[Webhook]:
        id_ = as_uuid(term)
        return queryset.filter(Q(id=id_) | Q(owner_id=id_) if id_ else Q(url=term))

    @display(description="Events")
    def types(self, webhook: Webhook) -> str:
        return ", ".join(webhook.event_types)

    @display(description="Receives")
    def receives(self, webhook: Webhook) -> str:
        return "events of all orders" if webhook.everything else "events of its owner's orders"

    @display(description="State")
    def state(self, webhook: Webhook) -> SafeString:
        if webhook.deleted_at:
            return badge("deleted")
        if webhook.disabled_at:
            return badge(f"off: {webhook.get_disabled_reason_display()}", "danger")
        return badge("failing", "warning") if webhook.failing_since else badge("on", "success")

    @display(description="Log")
    def log(self, webhook: Webhook) -> SafeString:
        url = f"{reverse('admin:notifications_webhookdelivery_changelist')}?{urlencode({'q': str(webhook.id)})}"
        return link(url, "Its deliveries")

    def has_switch_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("notifications.change_webhook")

    @action(description="Switch off selected webhooks", permissions=["switch"], icon="link_off")
    def switch_off_selected(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> HttpResponse | None:
        question = "Stop sending to these webhooks? Their owners get an e-mail."
        return self._switch(request, queryset, on=False, action="switch_off_selected", question=question)

    @action(description="Switch on selected webhooks", permissions=["switch"], icon="link")
    def switch_on_selected(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> HttpResponse | None:
        question = "Send to these webhooks again, beginning with their pending deliveries?"
        return self._switch(request, queryset, on=True, action="switch_on_selected", question=question)

    def _switch(
        self, request: HttpRequest, queryset: QuerySet[Webhook], *, on: bool, action: str, question: str
    ) -> HttpResponse | None:
        if not confirmed(request):
            title = f"Switch {'on' if on else 'off'} webhooks"
            return confirm(
                self, request, objects=queryset[: self.list_per_page], action=action, title=title, button=title,
                question=question, back=request.get_full_path(),
            )  # fmt: skip
        ids = list(queryset.values_list("id", flat=True))
        count = endpoints.switch_by_staff(ids, on=on, actor=actor_of(request.user))
        self.message_user(request, f"Switched {'on' if on else 'off'}: {count}.", messages.SUCCESS)
        return None


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(SearchableAdmin):
    list_display = ("event_type", "webhook", "state_badge", "tried", "last_answer", "created_at", "due")
    list_filter = (("state", ChoicesCheckboxFilter), HoldsFilter)
    list_select_related = ("event", "webhook")
    search_fields = ("id",)
    search_help_text = "Enter the complete id of a delivery or of a webhook"
    ordering = ("-id",)
    sortable_by = ()
    fields = ("id", "event_link", "webhook_link", "holds", "state_badge", "tried", "due", "created_at")
    actions = ("redeliver_selected", "skip_selected")
    actions_detail = ("redeliver_one", "skip_one")
    change_form_after_template = "admin/notifications/tries.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookDelivery]:
        return with_last_try(super().get_queryset(request))

    def find(self, queryset: QuerySet[WebhookDelivery], term: str) -> QuerySet[WebhookDelivery]:
        id_ = as_uuid(term)
        return queryset.filter(Q(id=id_) | Q(webhook_id=id_)) if id_ else queryset.none()

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        delivery = self.get_object(request, object_id)
        context = {"tries": delivery.tries.all() if delivery else ()} | (extra_context or {})
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    @display(description="Event")
    def event_type(self, delivery: WebhookDelivery) -> str:
        return delivery.event.type

    @display(description="State")
    def state_badge(self, delivery: WebhookDelivery) -> SafeString:
        return badge(delivery.state, COLOURS[WebhookDeliveryState(delivery.state)])

    @display(description="Holds the stream")
    def holds(self, delivery: WebhookDelivery) -> str:
        return delivery.stream or "" if delivery.has_failed else ""

    @display(description="Attempts")
    def tried(self, delivery: Any) -> str:
        """All of them: `attempts` counts only those since the delivery was last sent again by hand."""
        return str(max(delivery.tries_in_all, delivery.attempts))

    @display(description="Due")
    def due(self, delivery: WebhookDelivery) -> datetime | None:
        return delivery.due_at if delivery.state == WebhookDeliveryState.PENDING else None

    @display(description="Last answer")
    def last_answer(self, delivery: Any) -> str:
        return str(delivery.last_error or delivery.last_status or "")

    @display(description="Event")
    def event_link(self, delivery: WebhookDelivery) -> SafeString:
        url = reverse("admin:events_storedevent_change", args=[delivery.event_id])
        return link(url, delivery.event)

    @display(description="Webhook")
    def webhook_link(self, delivery: WebhookDelivery) -> SafeString:
        url = reverse("admin:notifications_webhook_change", args=[delivery.webhook_id])
        return link(url, delivery.webhook)

    def has_redeliver_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("notifications.change_webhookdelivery")

    @action(description="Send selected again", permissions=["redeliver"], icon="replay")
    def redeliver_selected(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> HttpResponse | None:
        return self._redeliver(request, queryset, back=request.get_full_path(), action="redeliver_selected")

    @action(description="Send again", permissions=["redeliver"], url_path="redeliver", icon="replay")
    def redeliver_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        page = reverse("admin:notifications_webhookdelivery_change", args=[object_id])
        asked = self._redeliver(request, WebhookDelivery.objects.filter(id=object_id), back=page)
        return asked or HttpResponseRedirect(page)

    @action(description="Skip selected, so that their streams go on", permissions=["redeliver"], icon="skip_next")
    def skip_selected(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> HttpResponse | None:
        return self._skip(request, queryset, back=request.get_full_path(), action="skip_selected")

    @action(description="Skip", permissions=["redeliver"], url_path="skip", icon="skip_next")
    def skip_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        page = reverse("admin:notifications_webhookdelivery_change", args=[object_id])
        asked = self._skip(request, WebhookDelivery.objects.filter(id=object_id), back=page)
        return asked or HttpResponseRedirect(page)

    def _skip(
        self, request: HttpRequest, chosen: QuerySet[WebhookDelivery], *, back: str, action: str = ""
    ) -> HttpResponse | None:
        form = ReasonForm(request.POST if confirmed(request) else None)
        if not form.is_valid():
            return confirm(
                self, request, objects=chosen[: self.list_per_page], action=action, back=back, button="Skip",
                title="Skip deliveries", form=form,
                question="Never send these, and go on with the later events of their streams? Only failed deliveries of"
                " ordered webhooks hold a stream.",
            )  # fmt: skip
        ids = list(chosen.values_list("id", flat=True))
        count = endpoints.skip_all(ids, actor=actor_of(request.user), reason=form.cleaned_data["reason"])
        self.message_user(request, f"Skipped: {count}.", messages.SUCCESS)
        return None

    def _redeliver(
        self, request: HttpRequest, chosen: QuerySet[WebhookDelivery], *, back: str, action: str = ""
    ) -> HttpResponse | None:
        if not confirmed(request):
            return confirm(
                self, request, objects=chosen[: self.list_per_page], action=action, back=back, button="Send again",
                title="Send again", question="Send these deliveries again, each with the same webhook-id?",
            )  # fmt: skip
        ids = list(chosen.values_list("id", flat=True))
        count = endpoints.redeliver_by_staff(ids, actor=actor_of(request.user))
        self.message_user(request, f"Scheduled to be sent again: {count}.", messages.SUCCESS)
        return None
