"""How far each publisher has published the log, and the streams that it holds."""

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
        null=True, help_text="RabbitMQ: messages in the queue of the alternate exchange, which nobody has bound"
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
