"""What was sent to whom. One per order and kind, kept and shown."""

from django.db import models
from uuid_utils.compat import uuid7


class Kind(models.TextChoices):
    CONFIRMATION = "confirmation"
    CANCELLATION = "cancellation"


class Notification(models.Model):
    """An e-mail. The row comes first, so that nobody is told the same thing twice."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order_id = models.UUIDField()
    kind = models.CharField(max_length=20, choices=Kind)
    recipient = models.EmailField(max_length=254)
    subject = models.CharField(max_length=200)
    text = models.TextField()
    html = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["order_id", "kind"], name="one_notification_per_order_and_kind")]

    def __str__(self) -> str:
        return f"{self.kind} to {self.recipient}"
