"""The payments service as a Django application."""

from desk.service import ServiceConfig, SidebarLink, SidebarSection, Work
from payments.events import PAYMENTS


class PaymentsConfig(ServiceConfig):
    name = "payments"
    queues = {PAYMENTS: Work.CALLS}
    sidebar = (
        SidebarSection(
            "Payments",
            (
                SidebarLink("Payments", "credit_card", "payment"),
                SidebarLink("Refunds", "currency_exchange", "refund"),
            ),
        ),
    )
    readable = ("payment", "refund")

    personal_data = "payments.personal_data.Payments"

    def ready(self) -> None:
        from payments import steps  # noqa: F401  importing them declares them
