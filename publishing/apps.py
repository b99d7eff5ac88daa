"""The publishing service as a Django application."""

from desk.service import ServiceConfig, SidebarLink, SidebarSection


class PublishingConfig(ServiceConfig):
    name = "publishing"
    sidebar = (
        SidebarSection(
            "Publishing",
            (
                SidebarLink("Publishers", "cell_tower", "cursor"),
                SidebarLink("Held streams", "front_hand", "heldstream", badge="publishing.badge.held_badge"),
            ),
            position=110,
        ),
    )
    readable = ("cursor", "heldstream")
    permissions = {"operators": ("retry_heldstream", "skip_heldstream")}
