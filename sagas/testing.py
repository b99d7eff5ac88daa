"""What the kit for tests (`events.testing`) adds for sagas: drain them to their end, and say how they ended.

Only tests import it. It reads rows and knows tasks by their names, so it needs nothing of the engine.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from celery import current_app
from django.db.models.functions import Now

from events import testing
from events.delivery.broker import send
from sagas.models import SagaRun, SagaStep

SWEEP = "sagas.sweep"
End = Literal["done", "undone", "stuck"]


@dataclass(frozen=True)
class StepOutcome:
    """A step of a run, as its row says."""

    name: str
    state: str
    attempts: int
    error: str

    def __str__(self) -> str:
        failed = f", attempts: {self.attempts}" if self.attempts else ""
        return f"{self.name}: {self.state}{failed}{f' ({self.error})' if self.error else ''}"


@dataclass(frozen=True)
class SagaOutcome:
    """A run of a saga, as its rows say."""

    saga: str
    subject: UUID
    part: UUID | None
    state: str
    """`running`, `compensating`, `done`, `undone` or `stuck`."""
    reason_code: str
    """Why it turned back; empty if it did not."""
    reason: str
    steps: Mapping[str, StepOutcome]
    """By name, in the order in which they began; a step that has not begun is missing."""

    def __str__(self) -> str:
        part = f", part {self.part}" if self.part else ""
        why = f", because of {self.reason_code}: {self.reason}" if self.reason_code else ""
        steps = "".join(f"\n  {step}" for step in self.steps.values())
        return f"{self.saga} of {self.subject}{part} is {self.state}{why}{steps}"


class _Runs:
    """Runs that the sweep looks at: after a deadline, after a failure, or because a person turned them back."""

    def wake(self, *, early: bool) -> int:
        if early:
            SagaStep.objects.filter(due_at__gt=Now(), state__in=["waiting", "undoing"]).update(due_at=Now())
            SagaRun.objects.filter(wake_at__gt=Now()).update(wake_at=Now())
        late = SagaRun.objects.filter(wake_at__lte=Now()).count()
        if late:
            send(current_app, SWEEP, ())
        return late

    def unfinished(self) -> list[str]:
        open_runs = SagaRun.objects.filter(state__in=["running", "compensating"]).order_by("id")
        return [str(_outcome(run)) for run in open_runs]


def drain(*, limit: int = 100, through_retries: bool = False, losing: Collection[str] = ()) -> list[str]:
    """As `events.testing.drain`; it also sweeps the runs that are late.

    With `through_retries` it goes on until every run has ended. That makes all waiting steps due, also those whose
    call is still under way. Without it, a call that outlasts its step's `patience` is not waited for. Raises what
    `events.testing.drain` raises.
    """
    return testing.drain(limit=limit, through_retries=through_retries, losing=losing, also=[_Runs()])


def saga_of(subject: UUID, saga: str = "", *, part: UUID | None = None) -> SagaOutcome:
    """The run for this subject, such as an order's id; `saga` and `part` say which if it has several.

    Raises LookupError if there is none, or more than one, and names those that there are.
    """
    runs = SagaRun.objects.filter(subject=subject).order_by("id")
    right = [run for run in runs if saga in {"", run.saga} and part in {None, run.part}]
    if len(right) != 1:
        there = "".join(f"\n  {run.saga}, part {run.part}: {run.state}" for run in runs) or " none"
        what = f"{saga or 'a saga'} of {subject}" + (f", part {part}" if part else "")
        raise LookupError(f"expected one run of {what}, found {len(right)}; the runs of this subject:{there}")
    return _outcome(right[0])


def expect_saga(
    saga: str, subject: UUID, *, ends: End, steps: Mapping[str, str | None] | None = None, reason: str | None = None,
    part: UUID | None = None, through_retries: bool = False, limit: int = 100,
) -> SagaOutcome:  # fmt: skip
    """Drains, and expects that the saga's run for this subject ended so. Returns the run.

    `steps`: the state of each step that is named, None for one that has not begun. `reason`: the code for which it
    turned back. `through_retries` and `limit` as in `drain`. Raises AssertionError that shows the whole run, and
    what `drain` raises.
    """
    __tracebackhide__ = True
    drain(limit=limit, through_retries=through_retries)
    try:
        run = saga_of(subject, saga, part=part)
    except LookupError as error:
        raise AssertionError(str(error)) from None
    if wrong := _wrong(run, ends, steps or {}, reason):
        raise AssertionError("\n".join(["The saga did not end as expected:", *wrong, str(run)]))
    return run


def _outcome(run: SagaRun) -> SagaOutcome:
    steps = {
        step.name: StepOutcome(step.name, step.state, step.attempts, step.error)
        for step in SagaStep.objects.filter(run=run).order_by("begun_at", "name")
    }
    return SagaOutcome(run.saga, run.subject, run.part, run.state, run.reason_code, run.reason, steps)


def _wrong(run: SagaOutcome, ends: End, steps: Mapping[str, str | None], reason: str | None) -> list[str]:
    wrong = [] if run.state == ends else [f"  it is {run.state}, expected {ends}"]
    for name, expected in steps.items():
        state = run.steps[name].state if name in run.steps else None
        if state != expected:
            wrong.append(f"  {name} is {state or 'not begun'}, expected {expected or 'not begun'}")
    if reason is not None and run.reason_code != reason:
        wrong.append(f"  its reason is {run.reason_code!r}, expected {reason!r}")
    return wrong
