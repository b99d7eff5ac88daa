"""The numbers beside the admin's links to held streams and unreadable messages."""

from django.http import HttpRequest

from publishing.inbox.repair import waiting
from publishing.models import HeldStream


def held_badge(request: HttpRequest) -> str:
    """How many streams are held, if any."""
    if not request.user.has_perm("publishing.view_heldstream"):
        return ""
    held = HeldStream.objects.all()[:100].count()
    return "99+" if held > 99 else str(held or "")


def unreadable_badge(request: HttpRequest) -> str:
    """How many unreadable messages wait, if any."""
    if not request.user.has_perm("publishing.view_unreadablemessage"):
        return ""
    count = waiting()[:100].count()
    return "99+" if count > 99 else str(count or "")
