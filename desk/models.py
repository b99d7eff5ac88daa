"""The audit log."""

from django.contrib.postgres.indexes import GinIndex
from django.db import models

from desk.actors import name_of


class Audit(models.Model):
    """One manual action: who did what, when, to which targets and why. A database trigger refuses UPDATE and DELETE."""

    at = models.DateTimeField()
    actor = models.CharField(max_length=200, help_text="user:<id>, or shell:<account> from the command line")
    action = models.CharField(max_length=40)
    target_kind = models.CharField(max_length=40)
    target_ids = models.JSONField(help_text="As texts")
    reason = models.TextField(blank=True)
    details = models.JSONField(default=dict)

    class Meta:
        db_table = "events_audit"  # the table is older than this application
        ordering = ["-id"]
        indexes = [GinIndex(fields=["target_ids"], name="audit_target", opclasses=["jsonb_path_ops"])]
        verbose_name_plural = "audit"

    def __str__(self) -> str:
        return f"{self.actor}: {self.action} {len(self.target_ids)} {self.target_kind}"

    @property
    def who(self) -> str:
        """The actor by name."""
        return name_of(self.actor)
