"""E-mails, one per occasion and kind, and webhooks with the log of their deliveries."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from desk.one_line import validate_one_line
from events.models import StoredEvent
from web.email_address import validate_email_address


class Kind(models.TextChoices):
    CONFIRMATION = "confirmation"
    CANCELLATION = "cancellation"
    SHIPMENT = "shipment"
    RETURN = "return"
    ITEMS_CANCELLED = "items_cancelled"
    REFUND = "refund"
    RETURN_REQUESTED = "return_requested"
    RETURN_APPROVED = "return_approved"
    RETURN_REJECTED = "return_rejected"


class Notification(models.Model):
    """An e-mail. The row is written before the e-mail is sent, so that no customer gets the same e-mail twice."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order_id = models.UUIDField()
    about = models.UUIDField(
        help_text="The id of the order, or of one of its shipments, returns, cancellations of items or refunds"
    )
    kind = models.CharField(max_length=20, choices=Kind)
    recipient = models.EmailField(max_length=254, validators=[validate_email_address])
    subject = models.CharField(max_length=200)
    text = models.TextField()
    html = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["order_id", "kind", "about"], name="one_notification_per_kind_and_occasion"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.recipient}"


class DisabledReason(models.TextChoices):
    FAILING = "failing", "it failed for days"
    GONE = "gone", "it answered 410 (gone)"
    NOT_ENTITLED = "not_entitled", "its owner no longer has permission to receive these events"
    OWNER = "owner", "its owner switched it off"
    STAFF = "staff", "a member of staff switched it off"


class Webhook(models.Model):
    """A subscription of a client to events, and the URL to send them to.

    A deleted webhook stays as a disabled row without secrets until its deliveries have been deleted.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    url = models.CharField(max_length=2000)
    event_types = ArrayField(models.CharField(max_length=100), help_text="Complete event types, order.* or *")
    description = models.CharField(max_length=200, blank=True, validators=[validate_one_line])
    sealed = models.TextField(help_text="The encrypted secrets: see notifications.webhooks.secrets")
    everything = models.BooleanField(default=False, help_text="Receives events of all orders, not only of its owner's")
    ordered = models.BooleanField(
        default=False, help_text="Sends the events of one stream one after the other; a failed one holds its stream"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    failing_since = models.DateTimeField(null=True, help_text="The time of the first failure after the last success")
    last_failure_at = models.DateTimeField(null=True)
    disabled_at = models.DateTimeField(null=True)
    disabled_reason = models.CharField(max_length=20, choices=DisabledReason, blank=True)
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["id"], name="webhook_everything", condition=Q(everything=True))]
        permissions = [("hear_all_orders", "Can subscribe webhooks to the events of all orders")]

    def __str__(self) -> str:
        return self.url


class WebhookDeliveryState(models.TextChoices):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    SKIPPED = "skipped"


class WebhookDelivery(models.Model):
    """The delivery of one event to one webhook. Its id is the `webhook-id`, by which receivers can deduplicate.

    A pending delivery is sent when `due_at` has passed. As with the kernel's deliveries, a lease moves `due_at` into
    the future, so a delivery that a crashed process had claimed becomes due again.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    event = models.ForeignKey(
        StoredEvent, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+", db_index=False
    )
    stream = models.CharField(max_length=200, null=True, help_text="Set if the webhook is ordered")  # noqa: DJ001
    state = models.CharField(max_length=10, choices=WebhookDeliveryState, default=WebhookDeliveryState.PENDING)
    due_at = models.DateTimeField()
    lease = models.UUIDField(null=True, help_text="The id of the last claim; only its holder can write the outcome")
    attempts = models.PositiveIntegerField(
        default=0, help_text="Attempts since the delivery was created or last redelivered"
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "webhook deliveries"
        constraints = [models.UniqueConstraint(fields=["webhook", "event"], name="one_delivery_per_event_and_webhook")]
        indexes = [
            models.Index(fields=["webhook", "due_at"], name="webhook_delivery_due", condition=Q(state="pending")),
            models.Index(fields=["webhook"], name="webhook_delivery_leased", condition=Q(lease__isnull=False)),
            models.Index(
                fields=["webhook", "stream", "event"],
                name="webhook_delivery_ordered",
                condition=Q(stream__isnull=False) & Q(state__in=["pending", "failed"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.webhook_id} ← event {self.event_id}"

    @property
    def has_failed(self) -> bool:
        """Whether it has failed and is not over: in an ordered webhook, it then holds its stream."""
        pending = self.state == WebhookDeliveryState.PENDING and self.attempts > 0
        return pending or self.state == WebhookDeliveryState.FAILED


class WebhookAttempt(models.Model):
    """One attempt of a webhook delivery and its outcome."""

    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="tries")
    number = models.PositiveIntegerField()
    at = models.DateTimeField()
    response_status = models.PositiveSmallIntegerField(null=True, help_text="Empty if there was no answer")
    error = models.TextField(blank=True)
    duration_ms = models.PositiveIntegerField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"attempt {self.number}: {self.response_status or self.error}"
