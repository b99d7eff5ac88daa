"""What customers were told, for people to read and to send again."""

from __future__ import annotations

from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesCheckboxFilter
from unfold.decorators import action, display

from events.audit import note
from events.readonly import ReadOnlyAdmin, badge
from events.staff import confirm, confirmed
from notifications.models import Notification
from notifications.services import resend
from notifications.webhook_admin import WebhookAdmin, WebhookDeliveryAdmin

__all__ = ["NotificationAdmin", "WebhookAdmin", "WebhookDeliveryAdmin"]


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    list_display = ("subject", "kind", "recipient", "state", "created_at", "sent_at")
    list_filter = (("kind", ChoicesCheckboxFilter),)
    search_fields = ("recipient",)
    search_help_text = "The whole id of an order, or a whole e-mail address"
    ordering = ("-id",)
    sortable_by = ()
    fields = ("order_link", "kind", "recipient", "subject", "state", "created_at", "sent_at", "error", "plain", "shown")
    actions = ("resend_selected",)
    actions_detail = ("resend_one",)

    class Media:
        css = {"all": ["events/admin.css", "notifications/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notification]:
        rows: QuerySet[Notification] = super().get_queryset(request)
        return rows if request.resolver_match and "object_id" in request.resolver_match.kwargs else rows.defer("html")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Notification], search_term: str
    ) -> tuple[QuerySet[Notification], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        if "@" in term:
            return queryset.filter(recipient=term), False
        try:
            return queryset.filter(order_id=UUID(term)), False
        except ValueError:
            return queryset.none(), False

    @display(description="State")
    def state(self, one: Notification) -> SafeString:
        if one.sent_at:
            return badge("sent", "success")
        return badge("failed", "danger") if one.error else badge("waiting", "info")

    @display(description="Order")
    def order_link(self, one: Notification) -> SafeString:
        url = reverse("admin:orders_order_change", args=[one.order_id])
        return format_html('<a class="text-link" href="{}">{}</a>', url, one.order_id)

    @display(description="Text")
    def plain(self, one: Notification) -> SafeString:
        return format_html('<pre class="code">{}</pre>', one.text)

    @display(description="HTML")
    def shown(self, one: Notification) -> SafeString:
        """In a frame without any right: no script, no form, no link out of it."""
        return format_html('<iframe class="letter" sandbox="" title="HTML" srcdoc="{}"></iframe>', one.html)

    def has_resend_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Who may change a notification may send it again; nobody edits one."""
        return request.user.has_perm("notifications.change_notification")

    @action(description="Send again", permissions=["resend"], icon="forward_to_inbox")
    def resend_selected(self, request: HttpRequest, queryset: QuerySet[Notification]) -> HttpResponse | None:
        letters = list(queryset[: self.list_per_page])
        return self._resend(request, letters, action="resend_selected", back=request.get_full_path())

    @action(description="Send again", permissions=["resend"], url_path="resend", icon="forward_to_inbox")
    def resend_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        letter = self.get_object(request, object_id)
        if letter is None:
            return HttpResponseRedirect(reverse("admin:notifications_notification_changelist"))
        page = reverse("admin:notifications_notification_change", args=[letter.pk])
        return self._resend(request, [letter], back=page) or HttpResponseRedirect(page)

    def _resend(
        self, request: HttpRequest, letters: list[Notification], *, back: str, action: str = ""
    ) -> HttpResponse | None:
        if not confirmed(request):
            return confirm(
                self, request, objects=letters, action=action, back=back, button="Send again",
                title="Send again", question="The customer gets the same e-mail once more. Send it?",
            )  # fmt: skip
        sent = [letter for letter in letters if self._sent(request, letter)]
        if sent:
            note(request.user.get_username(), "resend", "notification", [letter.pk for letter in sent])
            self.message_user(request, f"Sent again: {len(sent)}.", messages.SUCCESS)
        return None

    def _sent(self, request: HttpRequest, letter: Notification) -> bool:
        try:
            resend(letter)
        except Exception as error:  # noqa: BLE001  whatever the mail server says is for the reader
            self.message_user(request, f"{letter}: {error}", messages.ERROR)
            return False
        return True
