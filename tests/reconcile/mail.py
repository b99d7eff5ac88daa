"""Whether each customer was told once of everything."""

from __future__ import annotations

from collections import Counter
from email.parser import BytesHeaderParser
from pathlib import Path

from events.models import StoredEvent
from notifications.models import Notification
from orders.models import Order

TOLD = {
    "order.confirmed": "confirmed", "order.cancelled": "cancelled", "order.shipped": "shipped",
    "order.returned": "returned", "order.items_cancelled": "part", "payment.refunded": "refunded",
    "order.return_requested": "requested", "order.return_approved": "approved", "order.return_rejected": "rejected",
}  # fmt: skip
"""Of what customers get a mail, and how its subject ends."""


def mail(mail_dir: Path) -> list[str]:
    numbers = dict(Order.objects.values_list("number", "id"))
    headers = BytesHeaderParser()
    subjects = [headers.parsebytes(file.read_bytes())["Subject"] for file in mail_dir.glob("*.eml")]
    found = Counter((str(numbers[subject.split()[2].rstrip(":")]), subject.rpartition(" ")[2]) for subject in subjects)
    told = StoredEvent.objects.filter(type__in=TOLD).values_list("stream", "type")
    wanted = Counter((stream.partition(":")[2], TOLD[type_]) for stream, type_ in told)
    sent = StoredEvent.objects.filter(type="notification.sent").values("data__notificationId").distinct().count()
    unsent = Notification.objects.filter(sent_at=None).count()
    kept = Notification.objects.count()
    return [
        *(f"{count} mails too many about {what}" for what, count in (found - wanted).items()),
        *(f"no mail about {what}" for what in wanted - found),
        *([f"{unsent} notifications were not sent"] if unsent else []),
        *([f"{kept} notifications for {wanted.total()} events"] if kept != wanted.total() else []),
        *([f"{sent} notifications told in the log, of {kept}"] if sent != kept else []),
    ]
