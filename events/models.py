"""The log and the queue are two things: `StoredEvent` is for ever, `Delivery` is outbox, inbox and retry clock."""

from typing import Any

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7


class StoredEvent(models.Model):
    """One line of the log. Never updated, never deleted: a trigger in the database refuses both."""

    position = models.BigAutoField(primary_key=True)
    event_id = models.UUIDField(help_text="UUID version 7")
    stream = models.CharField(max_length=200)
    stream_version = models.PositiveIntegerField()
    type = models.CharField(max_length=100)
    version = models.CharField(max_length=20)
    data = models.JSONField()
    source = models.CharField(max_length=60)
    actor = models.CharField(max_length=150, blank=True)
    correlation_id = models.CharField(max_length=255, blank=True)
    causation_id = models.CharField(max_length=64, blank=True)
    traceparent = models.CharField(max_length=64, blank=True)
    time = models.DateTimeField()

    class Meta:
        # Optimistic concurrency.
        constraints = [
            models.UniqueConstraint(fields=["stream", "stream_version"], name="one_event_per_stream_version")
        ]
        # Each index costs the log some of its rate; what this one costs and saves is in docs/decisions/0032.
        indexes = [models.Index(fields=["type", "position"], name="event_type")]
        ordering = ["position"]
        permissions = [("replay", "Can replay the log to a subscriber")]

    def __str__(self) -> str:
        return f"{self.type} {self.stream}@{self.stream_version}"

    def envelope(self) -> dict[str, Any]:
        """The wire format, the same in the API, on Kafka, RabbitMQ, webhooks and server-sent events."""
        return {
            "eventId": str(self.event_id),
            "eventType": self.type,
            "version": self.version,
            "timestamp": self.time.isoformat().replace("+00:00", "Z"),
            "source": self.source,
            "data": self.data,
            "stream": self.stream,
            "streamVersion": self.stream_version,
            "correlationId": self.correlation_id,
            "causationId": self.causation_id,
            "traceparent": self.traceparent,
        }


class DeliveryState(models.TextChoices):
    PENDING = "pending"
    DONE = "done"
    DEAD = "dead"
    DISCARDED = "discarded"


class Delivery(models.Model):
    """One event on its way to one subscriber.

    Pending and due means: send it. A lease moves `due_at` into the future, so a delivery whose message got
    lost becomes due again by itself.
    """

    event = models.ForeignKey(
        StoredEvent,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="deliveries",
        db_index=False,
    )
    subscriber = models.CharField(max_length=150)
    stream = models.CharField(max_length=200, null=True, help_text="Set where the subscriber asks for order")  # noqa: DJ001
    state = models.CharField(max_length=10, choices=DeliveryState, default=DeliveryState.PENDING)
    due_at = models.DateTimeField()
    lease = models.UUIDField(null=True, help_text="Who may write the outcome: the last one to take it")
    leases = models.PositiveIntegerField(default=0, help_text="How often it was sent")
    attempts = models.PositiveIntegerField(default=0, help_text="How often it failed")
    alone_at = models.DateTimeField(null=True, help_text="When a worker began it alone, unanswered since")
    edited_data = models.JSONField(null=True, help_text="Handed over in place of the event's data, for this one only")
    done_at = models.DateTimeField(null=True)
    replay = models.ForeignKey(
        "Replay", on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True, related_name="deliveries"
    )

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["event", "subscriber", "replay"], name="one_delivery_per_replay", nulls_distinct=False
            )
        ]
        indexes = [
            models.Index(fields=["subscriber", "due_at"], name="delivery_due", condition=Q(state="pending")),
            models.Index(
                fields=["subscriber", "stream", "id"],
                name="delivery_ordered",
                condition=Q(stream__isnull=False) & Q(state__in=["pending", "dead"]),
            ),
            models.Index(fields=["subscriber"], name="delivery_dead", condition=Q(state="dead")),
            models.Index(fields=["replay", "state"], name="delivery_replay", condition=Q(replay__isnull=False)),
        ]
        permissions = [
            ("retry_delivery", "Can retry dead deliveries"),
            ("edit_delivery", "Can edit the data of dead deliveries"),
            ("discard_delivery", "Can discard dead deliveries"),
        ]

    def __str__(self) -> str:
        return f"{self.subscriber} ← event {self.event_id}"


class Attempt(models.Model):
    """One failed try of a delivery: what went wrong, where, and how long it took."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="failures")
    number = models.PositiveIntegerField()
    error_type = models.CharField(max_length=200)
    error = models.TextField()
    traceback = models.TextField()
    worker = models.CharField(max_length=200)
    duration_ms = models.PositiveIntegerField()
    at = models.DateTimeField()

    class Meta:
        ordering = ["delivery_id", "number"]

    def __str__(self) -> str:
        return f"attempt {self.number}: {self.error_type}"


class DeadReason(models.TextChoices):
    UNKNOWN_TASK = "unknown_task"
    UNDECODABLE = "undecodable"
    MALFORMED = "malformed"
    NO_ENVELOPE = "no_envelope"
    TOO_OFTEN = "too_often"


class DeadMessage(models.Model):
    """A message of which no worker could make a task, as it came. Headers and properties are JSON."""

    queue = models.CharField(max_length=200)
    task = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=20, choices=DeadReason)
    error = models.TextField(blank=True)
    headers = models.TextField()
    properties = models.TextField()
    body = models.BinaryField()
    received_at = models.DateTimeField()
    retried_at = models.DateTimeField(null=True)
    discarded_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        permissions = [
            ("retry_deadmessage", "Can send dead messages again"),
            ("discard_deadmessage", "Can discard dead messages"),
        ]

    def __str__(self) -> str:
        return f"{self.reason} on {self.queue}"


class Breaker(models.Model):
    """Who may see and force breakers. No table: their state is in Valkey, see `events.breaker`."""

    name = models.CharField(max_length=100, primary_key=True)

    class Meta:
        managed = False
        default_permissions = ("view",)
        permissions = [("force_breaker", "Can force breakers open or closed")]

    def __str__(self) -> str:
        return f"breaker {self.name}"


class Build(models.Model):
    """Which build of a read model is the live one. A rebuild makes another beside it."""

    name = models.CharField(max_length=100, primary_key=True, help_text="The read model's label")
    live = models.PositiveIntegerField(default=1)
    boundary = models.BigIntegerField(default=0, help_text="Events up to here were counted by the rebuild that made it")
    last = models.PositiveIntegerField(default=1, help_text="The highest number that was given to a build")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name}: build {self.live}"


class ReplayState(models.TextChoices):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


class Replay(models.Model):
    """Old events handed to one subscriber again: as deliveries, or to rebuild its read model from the whole log."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subscriber = models.CharField(max_length=150)
    since = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True, help_text="Exclusive")
    stream = models.CharField(max_length=200, blank=True)
    build = models.PositiveIntegerField(null=True, help_text="The build that a rebuild makes")
    state = models.CharField(max_length=10, choices=ReplayState, default=ReplayState.RUNNING)
    position = models.BigIntegerField(default=0, help_text="Everything up to here is handed over")
    boundary = models.BigIntegerField(null=True, help_text="Nothing up to here is still uncommitted")
    expected = models.PositiveBigIntegerField(help_text="Events that it was about when it began")
    handled = models.PositiveBigIntegerField(default=0, help_text="Events handed over so far")
    attempts = models.PositiveIntegerField(default=0, help_text="How often it failed where it stands")
    error = models.TextField(blank=True)
    lease = models.UUIDField(null=True, help_text="Whose turn it is")
    due_at = models.DateTimeField()
    started_by = models.CharField(max_length=200)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["subscriber"], name="one_replay_at_a_time", condition=Q(state="running"))
        ]

    def __str__(self) -> str:
        return f"{self.subscriber}: {'rebuild' if self.build else 'deliver again'}"


class Audit(models.Model):
    """What a person did by hand: who, when, to what, and why. A trigger refuses to change or delete a line."""

    at = models.DateTimeField()
    actor = models.CharField(max_length=200, help_text="A user's name; shell:<account> from the command line")
    action = models.CharField(max_length=40)
    target_kind = models.CharField(max_length=40)
    target_ids = models.JSONField(help_text="As texts")
    reason = models.TextField(blank=True)
    details = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]
        indexes = [GinIndex(fields=["target_ids"], name="audit_target", opclasses=["jsonb_path_ops"])]
        verbose_name_plural = "audit"

    def __str__(self) -> str:
        return f"{self.actor}: {self.action} {len(self.target_ids)} {self.target_kind}"
