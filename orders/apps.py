"""The orders service as a Django application."""

from desk.service import PeriodicTask, ServiceConfig, SidebarLink, SidebarSection, Work
from orders.events import ORDERS


class OrdersConfig(ServiceConfig):
    name = "orders"
    queues = {ORDERS: Work.DATABASE}
    sidebar = (
        SidebarSection(
            "Orders",
            (
                SidebarLink("Orders", "shopping_cart", "order"),
                SidebarLink("Returns", "assignment_return", "return"),
                SidebarLink("Daily sales", "bar_chart", "dailysales"),
            ),
        ),
    )
    readable = ("order", "return", "dailysales")
    permissions = {
        "order managers": (
            "cancel_order",
            "ship_order",
            "deliver_order",
            "return_order",
            "refund_order",
            "approve_return",
        ),
        "warehouse": ("view_order", "ship_order", "deliver_order", "view_return", "receive_return"),
    }
    periodic_tasks = (PeriodicTask("forget answers", "orders.prune_idempotent_requests", every=60.0, expires=60),)

    subjects = {"order": "orders.selectors.numbers"}
    personal_data = "orders.personal_data.Orders"

    def ready(self) -> None:
        from orders import carriers, sagas, subscribers, tallies  # noqa: F401  importing them declares them
