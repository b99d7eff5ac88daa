"""The kernel of sagas as a Django application."""

from desk.service import PeriodicTask, ServiceConfig, SidebarLink, SidebarSection


class SagasConfig(ServiceConfig):
    name = "sagas"
    sidebar = (SidebarSection("Sagas", (SidebarLink("Sagas", "account_tree", "sagarun"),), position=100),)
    readable = ("sagarun",)
    permissions = {"operators": ("repair_saga",)}
    periodic_tasks = (
        # A sweep that waited for longer than it takes to send the next one is worth nothing: it expires.
        PeriodicTask("sweep late saga stages", "sagas.sweep", every=3.0, expires=6),
        PeriodicTask("forget sagas", "sagas.prune", every=60.0, expires=60),
    )

    personal_data = "sagas.operations.personal_data.Runs"

    def ready(self) -> None:
        from sagas import checks, tasks  # noqa: F401  importing them registers them
