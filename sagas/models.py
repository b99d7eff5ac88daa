"""The rows that decide: a run of a saga for one subject, and its steps."""

from django.db import models
from django.db.models import Q

from sagas.plan import RunState, StepState


class SagaRun(models.Model):
    """One run. `wake_at` is when to ask again, whatever became of its messages."""

    id = models.UUIDField(primary_key=True, editable=False)
    saga = models.CharField(max_length=100)
    subject = models.UUIDField(help_text="The id of what the saga is about", db_index=True)
    part = models.UUIDField(null=True, help_text="The part of the subject that it is for; empty if it is for the whole")
    state = models.CharField(max_length=12, choices=[(state, state) for state in RunState])
    aborted = models.BooleanField(default=False, help_text="Somebody asked for compensation")
    reason_code = models.CharField(max_length=100, blank=True)
    reason = models.TextField(blank=True)
    correlation_id = models.CharField(max_length=255, blank=True)
    causation_id = models.CharField(max_length=64, blank=True)
    actor = models.CharField(max_length=150, blank=True)
    traceparent = models.CharField(max_length=64, blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    wake_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "saga"
        indexes = [
            models.Index(fields=["wake_at"], name="saga_wake", condition=Q(wake_at__isnull=False)),
            models.Index(fields=["saga"], name="saga_stuck", condition=Q(state="stuck")),
        ]
        permissions = [("repair_saga", "Can retry, skip and compensate sagas")]

    def __str__(self) -> str:
        return f"{self.saga} {self.subject}"


class SagaStep(models.Model):
    """One step of a run, keyed by its name, claimed by conditional update."""

    pk = models.CompositePrimaryKey("run_id", "name")
    # No constraint: it would cost five looks at the run. Both are written, and in the end deleted, together.
    run = models.ForeignKey(
        SagaRun, on_delete=models.CASCADE, related_name="steps", db_index=False, db_constraint=False
    )
    name = models.CharField(max_length=100)
    state = models.CharField(max_length=8, choices=[(state, state) for state in StepState])
    attempts = models.PositiveIntegerField(
        default=0, help_text="Network steps, and what travels alone: tries begun; others: tries failed"
    )
    due_at = models.DateTimeField(null=True, help_text="When it may be sent again")
    unanswered = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="How often it was sent again without an answer"
    )
    lease = models.UUIDField(null=True, help_text="Who is at it, until due_at")
    error_code = models.CharField(max_length=100, blank=True)
    error = models.TextField(blank=True)
    begun_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"
