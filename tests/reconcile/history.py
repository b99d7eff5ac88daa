"""Whether the log tells whole stories: no stream with a gap, and each order placed and decided once."""

from __future__ import annotations

from collections import defaultdict

from django.db.models import Count, Max, Min

from events.models import StoredEvent
from orders.models import Order

FULFILMENT = {
    "shipped", "items_cancelled", "delivered", "returned", "return_requested", "return_approved", "return_rejected",
    "return_received", "return_refunded",
}  # fmt: skip
DECIDED = (["created", "cancelled"], ["created", "confirmed"], ["created", "confirmed", "cancelled"])


def history() -> list[str]:
    return [*_gaps(), *_stories()]


def _gaps() -> list[str]:
    found = StoredEvent.objects.values_list("stream").annotate(
        first=Min("stream_version"), last=Max("stream_version"), n=Count("position")
    )
    return [f"{stream} has gaps" for stream, first, last, n in found if (first, last) != (1, n)]


def _stories() -> list[str]:
    told: dict[str, list[str]] = defaultdict(list)
    events = StoredEvent.objects.filter(stream__startswith="order:").order_by("position")
    for stream, type_ in events.values_list("stream", "type"):
        if (what := type_.removeprefix("order.")) not in FULFILMENT:  # the fold of its log says what that may be
            told[stream].append(what)
    orders = [f"order:{id_}" for id_ in Order.objects.values_list("id", flat=True)]
    return [f"{stream} has the story {told[stream]}" for stream in orders if told[stream] not in DECIDED]
