"""The number beside the admin's link to the held streams."""

from django.http import HttpRequest

from publishing.models import HeldStream


def held_badge(request: HttpRequest) -> str:
    """How many streams are held, if any."""
    if not request.user.has_perm("publishing.view_heldstream"):
        return ""
    held = HeldStream.objects.all()[:100].count()
    return "99+" if held > 99 else str(held or "")
