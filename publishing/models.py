"""How far each publisher has published the log, the streams that it holds, and what the inbox has received."""

from django.db import models


class Cursor(models.Model):
    """How far one slot of a publisher has published the log. A backfill has a cursor of its own, with an end.

    Only the holder of the lease publishes and moves the cursor. A slot takes the streams whose hash falls into it.
    """

    publisher = models.CharField(max_length=20)
    slot = models.PositiveSmallIntegerField()
    slots = models.PositiveSmallIntegerField(help_text="Into how many slots the publisher's streams are divided")
    backfill = models.BooleanField(default=False)
    first = models.BigIntegerField(help_text="Events after this position are published")
    position = models.BigIntegerField(help_text="Events up to this position are published, or their stream is held")
    until = models.BigIntegerField(null=True, help_text="The last position of a backfill")
    lease = models.UUIDField(null=True, help_text="Only the holder of this lease may publish")
    leased_until = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0, help_text="Consecutive failures at this position")
    error = models.TextField(blank=True, help_text="The last error, empty after a success")
    failed_at = models.DateTimeField(null=True)
    moved_at = models.DateTimeField(null=True)
    unrouted = models.BigIntegerField(
        null=True, help_text="RabbitMQ: messages kept by the alternate exchange, because no queue was bound for them"
    )

    class Meta:
        ordering = ["publisher", "backfill", "slot"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["publisher", "backfill", "slot"], name="one_cursor_per_publisher_and_slot")
        ]

    def __str__(self) -> str:
        return f"{self.publisher}/{self.slot}{' backfill' if self.backfill else ''}"


class HeldStream(models.Model):
    """A stream whose next event the broker refuses. Its later events wait behind it; other streams go on."""

    publisher = models.CharField(max_length=20)
    stream = models.CharField(max_length=200)
    position = models.BigIntegerField(help_text="The event that was refused; it and all later ones wait")
    attempts = models.PositiveIntegerField(default=1)
    error = models.TextField(blank=True)
    due_at = models.DateTimeField(null=True, help_text="The next attempt; empty if it waits for a person")
    since = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        default_permissions = ("view",)
        permissions = [
            ("retry_heldstream", "Can retry held streams"),
            ("skip_heldstream", "Can skip the refused event of held streams"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["publisher", "stream"], name="one_hold_per_publisher_and_stream")
        ]

    def __str__(self) -> str:
        return f"{self.publisher} holds {self.stream}"


class Inbox(models.Model):
    """What has come from one source on one broker. Its counts are of messages, and never fall."""

    source = models.CharField(max_length=60)
    broker = models.CharField(max_length=20)
    received = models.BigIntegerField(default=0, help_text="Appended to the log")
    repeated = models.BigIntegerField(default=0, help_text="Received before, by source and id")
    skipped = models.BigIntegerField(default=0, help_text="Of a type that no code declares, or not events")
    unreadable = models.BigIntegerField(default=0, help_text="Kept as unreadable messages")
    last_skipped = models.CharField(max_length=200, blank=True, help_text="The type that was skipped last")
    moved_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True, help_text="Why nothing is received now; empty after a success")
    failed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "inboxes"
        ordering = ["source", "broker"]
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["source", "broker"], name="one_inbox_per_source_and_broker")]

    def __str__(self) -> str:
        return f"{self.source} on {self.broker}"


class ReceivedEvent(models.Model):
    """The identity of a foreign event, which is received once. Kept for RETENTION_INBOX days."""

    source = models.CharField(max_length=60, help_text="As the event is declared")
    foreign_source = models.CharField(max_length=300, help_text="The CloudEvents attribute `source`")
    foreign_id = models.CharField(max_length=300, help_text="The CloudEvents attribute `id`")
    position = models.BigIntegerField(null=True, help_text="Of the event in the log")
    received_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        default_permissions = ("view",)
        constraints = [
            # Begins with the id, by which people search.
            models.UniqueConstraint(fields=["foreign_id", "foreign_source", "source"], name="receive_once")
        ]

    def __str__(self) -> str:
        return f"{self.foreign_id} of {self.foreign_source}"


class UnreadableReason(models.TextChoices):
    TOO_LARGE = "too-large", "too large"
    NO_EVENT = "no-event", "not a CloudEvent"
    UNKNOWN_TYPE = "unknown-type", "unknown type"
    INVALID = "invalid", "does not match the declaration"
    FAILED = "failed", "could not be stored"


class UnreadableMessage(models.Model):
    """A message that could not be received as an event, stored whole. It waits for a person; later ones went on."""

    source = models.CharField(max_length=60)
    broker = models.CharField(max_length=20)
    place = models.CharField(max_length=300, help_text="The topic or the queue")
    partition = models.IntegerField(null=True)
    offset = models.BigIntegerField(null=True)
    reason = models.CharField(max_length=20, choices=UnreadableReason)
    error = models.TextField()
    headers = models.TextField(help_text="With content type and key, as JSON")
    body = models.BinaryField()
    digest = models.BinaryField(max_length=32, help_text="SHA-256 of place, headers and body")
    received_at = models.DateTimeField()
    retried_at = models.DateTimeField(null=True, help_text="When it could be received after all")
    discarded_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        default_permissions = ("view",)
        permissions = [
            ("retry_unreadablemessage", "Can receive unreadable messages again"),
            ("discard_unreadablemessage", "Can discard unreadable messages"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["digest"],
                name="one_row_per_waiting_message",
                condition=models.Q(retried_at__isnull=True, discarded_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.reason} on {self.place}"
