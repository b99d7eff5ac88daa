"""The tables of the event kernel. `StoredEvent` is the append-only log; `Delivery` is outbox, inbox and retry clock."""

from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7


class StoredEvent(models.Model):
    """One event in the log. A database trigger refuses UPDATE and DELETE."""

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
        # Enforces optimistic concurrency.
        constraints = [
            models.UniqueConstraint(fields=["stream", "stream_version"], name="one_event_per_stream_version")
        ]
        # Each index slows down appends; docs/decisions/0032 has the costs and savings of this one.
        indexes = [models.Index(fields=["type", "position"], name="event_type")]
        ordering = ["position"]
        permissions = [("replay", "Can replay the log to a subscriber")]

    def __str__(self) -> str:
        return f"{self.type} {self.stream}@{self.stream_version}"

    def envelope(self) -> dict[str, Any]:
        """The wire format, the same in the API, on Kafka, RabbitMQ, webhooks and server-sent events."""
        return envelope(
            event_id=str(self.event_id),
            type=self.type,
            version=self.version,
            timestamp=self.time.isoformat().replace("+00:00", "Z"),
            source=self.source,
            data=self.data,
            stream=self.stream,
            stream_version=self.stream_version,
            correlation_id=self.correlation_id,
            causation_id=self.causation_id,
            traceparent=self.traceparent,
        )


def envelope(
    *,
    event_id: str,
    type: str,
    version: str,
    timestamp: str,
    source: str,
    data: Any,
    stream: str,
    stream_version: int,
    correlation_id: str,
    causation_id: str,
    traceparent: str,
) -> dict[str, Any]:
    """The wire format of an event that is given by its columns."""
    return {
        "eventId": event_id,
        "eventType": type,
        "version": version,
        "timestamp": timestamp,
        "source": source,
        "data": data,
        "stream": stream,
        "streamVersion": stream_version,
        "correlationId": correlation_id,
        "causationId": causation_id,
        "traceparent": traceparent,
    }


class DeliveryState(models.TextChoices):
    PENDING = "pending"
    DONE = "done"
    DEAD = "dead"
    DISCARDED = "discarded"


class Delivery(models.Model):
    """The delivery of one event to one subscriber.

    The relay sends pending deliveries whose `due_at` has passed. A lease moves `due_at` into the future, so a
    delivery whose message was lost becomes due again when the lease expires.
    """

    event = models.ForeignKey(
        StoredEvent,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="deliveries",
        db_index=False,
    )
    subscriber = models.CharField(max_length=150)
    stream = models.CharField(max_length=200, null=True, help_text="Set if the subscriber is ordered")  # noqa: DJ001
    state = models.CharField(max_length=10, choices=DeliveryState, default=DeliveryState.PENDING)
    due_at = models.DateTimeField()
    lease = models.UUIDField(null=True, help_text="Only the holder of this lease may write the outcome")
    leases = models.PositiveIntegerField(default=0, help_text="How often it was sent")
    attempts = models.PositiveIntegerField(default=0, help_text="How often it failed")
    alone_at = models.DateTimeField(null=True, help_text="Start of an attempt without outcome, if sent alone")
    edited_data = models.JSONField(null=True, help_text="Delivered in place of the event's data")
    done_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), help_text="By the database's clock")
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
            ("view_flower", "Can see the tasks and workers in Flower"),
        ]

    def __str__(self) -> str:
        return f"{self.subscriber} ← event {self.event_id}"


class Attempt(models.Model):
    """One failed attempt of a delivery: the error, the worker and the duration."""

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
    """A broker message that no worker could turn into a task, stored unchanged. Headers and properties are JSON."""

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
    """Carries the permissions to view and force breakers. It has no table; Valkey holds the state of the breakers."""

    name = models.CharField(max_length=100, primary_key=True)

    class Meta:
        managed = False
        default_permissions = ("view",)
        permissions = [("force_breaker", "Can force breakers open or closed")]

    def __str__(self) -> str:
        return f"breaker {self.name}"


class Build(models.Model):
    """Which build of a read model is live. A rebuild writes another build beside it."""

    name = models.CharField(max_length=100, primary_key=True, help_text="The read model's label")
    live = models.PositiveIntegerField(default=1)
    boundary = models.BigIntegerField(default=0, help_text="The live build contains events up to this position")
    last = models.PositiveIntegerField(default=1, help_text="The highest build number assigned so far")

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
    """A replay of old events to one subscriber, as deliveries or as a rebuild of its read model from the whole log."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subscriber = models.CharField(max_length=150)
    since = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True, help_text="Exclusive")
    stream = models.CharField(max_length=200, blank=True)
    build = models.PositiveIntegerField(null=True, help_text="The build that this rebuild creates")
    state = models.CharField(max_length=10, choices=ReplayState, default=ReplayState.RUNNING)
    position = models.BigIntegerField(default=0, help_text="Events up to this position are handled")
    boundary = models.BigIntegerField(null=True, help_text="All events up to this position are committed")
    expected = models.PositiveBigIntegerField(help_text="Events in scope when the replay started")
    handled = models.PositiveBigIntegerField(default=0, help_text="Events handled so far")
    attempts = models.PositiveIntegerField(default=0, help_text="Consecutive failures at the current position")
    error = models.TextField(blank=True)
    lease = models.UUIDField(null=True, help_text="Only the holder of this lease may continue")
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


class Process(models.Model):
    """A process that runs now, or was killed within the last hour. Its sign of life is its row of `Measure`."""

    id = models.CharField(primary_key=True, max_length=36, help_text="As in `Measure.process`")
    kind = models.CharField(max_length=20)
    name = models.CharField(max_length=200, blank=True)
    host = models.CharField(max_length=200)
    pid = models.PositiveIntegerField()
    release = models.CharField(max_length=100, blank=True)
    serves = models.CharField(max_length=500, blank=True, help_text="The queues of a worker")
    doing = models.CharField(max_length=300, blank=True)
    started_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name or f"{self.kind} {self.pid}"


class Measure(models.Model):
    """One number of a metric: of one combination of its labels, one part, such as a bucket of a histogram.

    `process` is empty for totals of all processes. Else the row is what one process reports of itself; it is deleted
    when that process ends. See events.metrics.
    """

    pk = models.CompositePrimaryKey("metric", "labels", "part", "process")
    metric = models.CharField(max_length=100)
    labels = models.CharField(max_length=500, help_text="The values, as a JSON array")
    part = models.CharField(max_length=20, blank=True)
    process = models.CharField(max_length=36, blank=True)
    value = models.FloatField()
    at = models.DateTimeField()
    exemplar_trace_id = models.CharField(  # noqa: DJ001  null with the two below
        max_length=32, null=True, help_text="Of a bucket: the sampled trace that had the value below"
    )
    exemplar_value = models.FloatField(null=True)
    exemplar_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.metric}{self.labels}{self.part}"
