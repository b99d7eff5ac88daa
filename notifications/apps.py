"""The notifications service as a Django application."""

from desk.service import PeriodicTask, ServiceConfig, SidebarLink, SidebarSection, Work
from notifications.events import NOTIFICATIONS


class NotificationsConfig(ServiceConfig):
    name = "notifications"
    queues = {NOTIFICATIONS: Work.NETWORK}
    sidebar = (
        SidebarSection(
            "Notifications",
            (
                SidebarLink("Notifications", "mail", "notification"),
                SidebarLink("Webhooks", "webhook", "webhook"),
                SidebarLink("Webhook deliveries", "outbox", "webhookdelivery"),
            ),
        ),
    )
    readable = ("notification", "webhook", "webhookdelivery")
    permissions = {
        "order managers": ("change_notification",),
        "operators": ("change_notification", "hear_all_orders", "change_webhook", "change_webhookdelivery"),
    }
    periodic_tasks = (
        PeriodicTask("send webhooks", "notifications.send_webhooks", every=10.0, expires=10),
        PeriodicTask("look after webhooks", "notifications.look_after_webhooks", every=60.0, expires=60),
    )

    personal_data = "notifications.personal_data.MailAndWebhooks"

    def ready(self) -> None:
        from notifications import subscribers  # noqa: F401  importing them declares them
