"""The publishing service as a Django application."""

from desk.service import PeriodicTask, ServiceConfig, SidebarLink, SidebarSection


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
        SidebarSection(
            "Inbox",
            (
                SidebarLink("Sources", "inbox", "inbox"),
                SidebarLink("Received events", "mark_email_read", "receivedevent"),
                SidebarLink(
                    "Unreadable messages", "unknown_document", "unreadablemessage",
                    badge="publishing.badge.unreadable_badge",
                ),
            ),
            position=111,
        ),
    )  # fmt: skip
    readable = ("cursor", "heldstream", "inbox", "receivedevent", "unreadablemessage")
    permissions = {
        "operators": (
            "retry_heldstream",
            "skip_heldstream",
            "retry_unreadablemessage",
            "discard_unreadablemessage",
        )
    }
    periodic_tasks = (PeriodicTask("delete old identities", "publishing.prune_inbox", every=60.0, expires=60),)
