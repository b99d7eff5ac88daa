"""Webhooks and the log of their deliveries, for people. Nobody sees a secret; only its owner gets a new one."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesCheckboxFilter
from unfold.decorators import action, display

from events.readonly import ReadOnlyAdmin, badge
from events.staff import confirm, confirmed
from notifications.models import Webhook, WebhookDelivery, WebhookDeliveryState
from notifications.selectors import with_last_try
from notifications.webhooks import endpoints

COLOURS = {
    WebhookDeliveryState.PENDING: "info",
    WebhookDeliveryState.DELIVERED: "success",
    WebhookDeliveryState.FAILED: "danger",
}


@admin.register(Webhook)
class WebhookAdmin(ReadOnlyAdmin):
    list_display = ("url", "owner", "types", "hears", "state", "failing_since", "created_at")
    list_filter = (("disabled_reason", ChoicesCheckboxFilter),)
    list_select_related = ("owner",)
    search_fields = ("url",)
    search_help_text = "The whole id of a webhook or of its owner, or its whole URL"
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        "url", "description", "owner", "types", "hears", "state", "failing_since", "last_failure_at", "disabled_at",
        "created_at", "updated_at", "deleted_at", "log",
    )  # fmt: skip
    actions = ("switch_off_selected", "switch_on_selected")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Webhook], search_term: str
    ) -> tuple[QuerySet[Webhook], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            id_ = UUID(term)
        except ValueError:
            return queryset.filter(url=term), False
        return queryset.filter(id=id_) | queryset.filter(owner_id=id_), False

    @display(description="Events")
    def types(self, webhook: Webhook) -> str:
        return ", ".join(webhook.event_types)

    @display(description="Hears of")
    def hears(self, webhook: Webhook) -> str:
        return "all orders" if webhook.everything else "its owner's orders"

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
        return format_html('<a class="text-link" href="{}">Its deliveries</a>', url)

    def has_switch_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("notifications.change_webhook")

    @action(description="Switch off selected webhooks", permissions=["switch"], icon="link_off")
    def switch_off_selected(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> HttpResponse | None:
        question = "Send nothing more to these? Their owners are told by mail."
        return self._switch(request, queryset, on=False, action="switch_off_selected", question=question)

    @action(description="Switch on selected webhooks", permissions=["switch"], icon="link")
    def switch_on_selected(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> HttpResponse | None:
        question = "Send to these again, what has been waiting for them first?"
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
        count = endpoints.switch_by_staff(ids, on=on, actor=request.user.get_username())
        self.message_user(request, f"Switched {'on' if on else 'off'}: {count}.", messages.SUCCESS)
        return None


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    list_display = ("event_type", "webhook", "state_badge", "attempts", "last_answer", "created_at", "due_at")
    list_filter = (("state", ChoicesCheckboxFilter),)
    list_select_related = ("event", "webhook")
    search_fields = ("id",)
    search_help_text = "The whole id of a delivery or of a webhook"
    ordering = ("-id",)
    sortable_by = ()
    fields = ("id", "event_link", "webhook_link", "state_badge", "attempts", "due_at", "created_at")
    actions = ("redeliver_selected",)
    actions_detail = ("redeliver_one",)
    change_form_after_template = "admin/notifications/tries.html"

    class Media:
        css = {"all": ["events/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookDelivery]:
        return with_last_try(super().get_queryset(request))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[WebhookDelivery], search_term: str
    ) -> tuple[QuerySet[WebhookDelivery], bool]:
        if not (term := search_term.strip()):
            return queryset, False
        try:
            id_ = UUID(term)
        except ValueError:
            return queryset.none(), False
        return queryset.filter(id=id_) | queryset.filter(webhook_id=id_), False

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

    @display(description="Last answer")
    def last_answer(self, delivery: Any) -> str:
        return str(delivery.last_error or delivery.last_status or "")

    @display(description="Event")
    def event_link(self, delivery: WebhookDelivery) -> SafeString:
        url = reverse("admin:events_storedevent_change", args=[delivery.event_id])
        return format_html('<a class="text-link" href="{}">{}</a>', url, delivery.event)

    @display(description="Webhook")
    def webhook_link(self, delivery: WebhookDelivery) -> SafeString:
        url = reverse("admin:notifications_webhook_change", args=[delivery.webhook_id])
        return format_html('<a class="text-link" href="{}">{}</a>', url, delivery.webhook)

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

    def _redeliver(
        self, request: HttpRequest, chosen: QuerySet[WebhookDelivery], *, back: str, action: str = ""
    ) -> HttpResponse | None:
        if not confirmed(request):
            return confirm(
                self, request, objects=chosen[: self.list_per_page], action=action, back=back, button="Send again",
                title="Send again", question="Send these again, each under its webhook-id?",
            )  # fmt: skip
        ids = list(chosen.values_list("id", flat=True))
        count = endpoints.redeliver_by_staff(ids, actor=request.user.get_username())
        self.message_user(request, f"Due again: {count}.", messages.SUCCESS)
        return None
