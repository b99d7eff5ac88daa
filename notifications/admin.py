"""The admin pages for e-mails: staff can read them and send them again."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesCheckboxFilter
from unfold.decorators import action, display

from desk import audit
from desk.actors import actor_of
from desk.confirm import confirm, confirmed
from desk.readonly import SearchableAdmin, as_uuid, badge, code, link
from notifications.models import Notification
from notifications.services import resend
from notifications.webhook_admin import WebhookAdmin, WebhookDeliveryAdmin

__all__ = ["NotificationAdmin", "WebhookAdmin", "WebhookDeliveryAdmin"]


@admin.register(Notification)
class NotificationAdmin(SearchableAdmin):
    list_display = ("subject", "kind", "recipient", "state", "created_at", "sent_at")
    list_filter = (("kind", ChoicesCheckboxFilter),)
    search_fields = ("recipient",)
    search_help_text = "Enter a complete order id or a complete e-mail address"
    ordering = ("-id",)
    sortable_by = ()
    fields = ("order_link", "kind", "recipient", "subject", "state", "created_at", "sent_at", "error", "plain", "shown")
    actions = ("resend_selected",)
    actions_detail = ("resend_one",)

    class Media:
        css = {"all": ["notifications/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notification]:
        rows: QuerySet[Notification] = super().get_queryset(request)
        return rows if request.resolver_match and "object_id" in request.resolver_match.kwargs else rows.defer("html")

    def find(self, queryset: QuerySet[Notification], term: str) -> QuerySet[Notification]:
        if "@" in term:
            return queryset.filter(recipient=term)
        order_id = as_uuid(term)
        return queryset.filter(order_id=order_id) if order_id else queryset.none()

    @display(description="State")
    def state(self, one: Notification) -> SafeString:
        if one.sent_at:
            return badge("sent", "success")
        return badge("failed", "danger") if one.error else badge("waiting", "info")

    @display(description="Order")
    def order_link(self, one: Notification) -> SafeString:
        url = reverse("admin:orders_order_change", args=[one.order_id])
        return link(url, one.order_id)

    @display(description="Text")
    def plain(self, one: Notification) -> SafeString:
        return code(one.text)

    @display(description="HTML")
    def shown(self, one: Notification) -> SafeString:
        """The HTML part in a sandboxed frame, which blocks scripts, forms and navigation."""
        return format_html('<iframe class="email" sandbox="" title="HTML" srcdoc="{}"></iframe>', one.html)

    def has_resend_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Notifications are read-only, so the permission to change them allows sending them again."""
        return request.user.has_perm("notifications.change_notification")

    @action(description="Send again", permissions=["resend"], icon="forward_to_inbox")
    def resend_selected(self, request: HttpRequest, queryset: QuerySet[Notification]) -> HttpResponse | None:
        notifications = list(queryset[: self.list_per_page])
        return self._resend(request, notifications, action="resend_selected", back=request.get_full_path())

    @action(description="Send again", permissions=["resend"], url_path="resend", icon="forward_to_inbox")
    def resend_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        notification = self.get_object(request, object_id)
        if notification is None:
            return HttpResponseRedirect(reverse("admin:notifications_notification_changelist"))
        page = reverse("admin:notifications_notification_change", args=[notification.pk])
        return self._resend(request, [notification], back=page) or HttpResponseRedirect(page)

    def _resend(
        self, request: HttpRequest, notifications: list[Notification], *, back: str, action: str = ""
    ) -> HttpResponse | None:
        if not confirmed(request):
            return confirm(
                self, request, objects=notifications, action=action, back=back, button="Send again",
                title="Send again", question="The customer gets the same e-mail once more. Send it?",
            )  # fmt: skip
        sent = [notification for notification in notifications if self._sent(request, notification)]
        if sent:
            audit.record(actor_of(request.user), "resend", "notification", [notification.pk for notification in sent])
            self.message_user(request, f"Sent again: {len(sent)}.", messages.SUCCESS)
        return None

    def _sent(self, request: HttpRequest, notification: Notification) -> bool:
        try:
            resend(notification)
        except Exception as error:  # noqa: BLE001  the page shows every error of the mail server
            self.message_user(request, f"{notification}: {error}", messages.ERROR)
            return False
        return True
