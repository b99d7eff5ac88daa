"""The number beside the admin's link to the deliveries."""

from django.http import HttpRequest

from events.models import Delivery, DeliveryState


def dead_badge(request: HttpRequest) -> str:
    """How many deliveries are dead, if any; an index holds only those."""
    if not request.user.has_perm("events.view_delivery"):
        return ""
    dead = Delivery.objects.filter(state=DeliveryState.DEAD)[:100].count()
    return "99+" if dead > 99 else str(dead or "")
