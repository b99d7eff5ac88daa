"""The inventory service as a Django application."""

from desk.service import PeriodicTask, ServiceConfig, SidebarLink, SidebarSection, Work
from inventory.events import INVENTORY


class InventoryConfig(ServiceConfig):
    name = "inventory"
    queues = {INVENTORY: Work.DATABASE}
    sidebar = (
        SidebarSection(
            "Catalogue & stock",
            (
                SidebarLink("Products", "sell", "product"),
                SidebarLink("Warehouses", "warehouse", "warehouse"),
                SidebarLink("Stock", "inventory_2", "stock"),
                SidebarLink("Reservations", "lock_clock", "reservation"),
                SidebarLink("Holds", "lock", "hold"),
            ),
        ),
    )
    readable = ("product", "warehouse", "stock", "reservation", "hold")
    permissions = {
        "warehouse": (
            "view_product", "add_product", "change_product",
            "view_warehouse", "add_warehouse", "change_warehouse",
            "view_stock", "add_stock", "change_stock",
            "view_reservation", "view_hold",
        ),
    }  # fmt: skip
    periodic_tasks = (PeriodicTask("release expired holds", "inventory.release_expired_holds", every=60.0, expires=60),)

    def ready(self) -> None:
        from inventory import steps  # noqa: F401  importing them declares them
