"""What was sent to whom: e-mails, one per occasion and kind, and webhooks with the log of their deliveries."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from events.models import StoredEvent


class Kind(models.TextChoices):
    CONFIRMATION = "confirmation"
    CANCELLATION = "cancellation"
    SHIPMENT = "shipment"
    RETURN = "return"


class Notification(models.Model):
    """An e-mail. The row comes first, so that nobody is told the same thing twice."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order_id = models.UUIDField()
    about = models.UUIDField(help_text="The order itself, or one of its shipments or returns")
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
        constraints = [
            models.UniqueConstraint(
                fields=["order_id", "kind", "about"], name="one_notification_per_kind_and_occasion"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.recipient}"


class DisabledReason(models.TextChoices):
    FAILING = "failing", "it failed for days"
    GONE = "gone", "it answered 410: it is gone"
    NOT_ENTITLED = "not_entitled", "its owner may no longer hear what it asks for"
    OWNER = "owner", "its owner switched it off"
    STAFF = "staff", "a member of staff switched it off"


class Webhook(models.Model):
    """Where a client wants to hear of which events.

    One that was deleted stays, switched off and without its secrets, until its deliveries are forgotten.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    url = models.CharField(max_length=2000)
    event_types = ArrayField(models.CharField(max_length=100), help_text="Whole types, order.* or *")
    description = models.CharField(max_length=200, blank=True)
    sealed = models.TextField(help_text="Its secrets, encrypted: see notifications.webhooks.secrets")
    everything = models.BooleanField(default=False, help_text="Hears of all orders, not of its owner's alone")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    failing_since = models.DateTimeField(null=True, help_text="The first failure after its last success")
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


class WebhookDelivery(models.Model):
    """One event on its way to one webhook; its id is the `webhook-id` that the receiver can deduplicate by.

    Pending and due means: send it. As with the kernel's deliveries a lease moves `due_at` into the future, so what
    a process took to its grave becomes due again by itself.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    event = models.ForeignKey(
        StoredEvent, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+", db_index=False
    )
    state = models.CharField(max_length=10, choices=WebhookDeliveryState, default=WebhookDeliveryState.PENDING)
    due_at = models.DateTimeField()
    lease = models.UUIDField(null=True, help_text="Who may write the outcome: the last one to take it")
    attempts = models.PositiveIntegerField(default=0, help_text="How often it was tried, since it was last asked for")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "webhook deliveries"
        constraints = [models.UniqueConstraint(fields=["webhook", "event"], name="one_delivery_per_event_and_webhook")]
        indexes = [
            models.Index(fields=["webhook", "due_at"], name="webhook_delivery_due", condition=Q(state="pending")),
            models.Index(fields=["webhook"], name="webhook_delivery_leased", condition=Q(lease__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.webhook_id} ← event {self.event_id}"


class WebhookAttempt(models.Model):
    """One try of a webhook's delivery, and what came of it."""

    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="tries")
    number = models.PositiveIntegerField()
    at = models.DateTimeField()
    response_status = models.PositiveSmallIntegerField(null=True, help_text="None: there was no answer")
    error = models.TextField(blank=True)
    duration_ms = models.PositiveIntegerField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"attempt {self.number}: {self.response_status or self.error}"
