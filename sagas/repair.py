"""What a person does about a run: retry or skip what is stuck, or turn the run back. Written into the audit.

Each changes rows only; within a second or two the sweep asks `plan` what comes next, as for any other run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from events.audit import note
from sagas import sql
from sagas.declare import saga
from sagas.models import SagaRun, SagaStep
from sagas.plan import RunState, StepState

KIND = "saga"
TURNED_BACK = "turned_back_by_staff"
"""The run's reason code. What the person wrote is for the audit: a run's reason is read by customers."""
_SAID_NO = (StepState.FAILED, StepState.REFUSED)
_ENDED = (RunState.DONE, RunState.UNDONE)


class NotRepairable(Exception):
    """The run's state does not allow this; the sentence says what does."""


@dataclass(frozen=True)
class Repairs:
    """What may be done about a run. `stuck` names the steps that may be retried or skipped."""

    stuck: tuple[str, ...]
    compensate: bool

    @property
    def retry(self) -> bool:
        return bool(self.stuck)


def repairs(run: SagaRun) -> Repairs:
    """From a run whose `steps` have been prefetched, or are asked for now."""
    steps = list(run.steps.all())
    return Repairs(_stuck(run, steps), _why_not_back(run, steps) is None)


def retry(run_id: UUID, *, actor: str, reason: str = "") -> None:
    """What is stuck is tried again, with all its attempts before it. Raises NotRepairable, or SagaRun.DoesNotExist."""
    with transaction.atomic():
        run, steps = _locked(run_id)
        names = _need_stuck(run, steps)
        undo = _undo_is_stuck(steps)
        again = StepState.UNDOING if undo else StepState.WAITING
        _steps(run, names).update(state=again, attempts=0, due_at=Now(), lease=None, done_at=None)
        _go_on(run, backward=undo)
        note(actor, "retry", KIND, [run.id], reason=reason, details=_details(run, names))


def skip(run_id: UUID, step: str, *, actor: str, reason: str) -> None:
    """The matter was settled by hand: the step counts as done, or as undone where its undo is stuck.

    Raises NotRepairable for a step that is not what the run is stuck on, or SagaRun.DoesNotExist.
    """
    with transaction.atomic():
        run, steps = _locked(run_id)
        names = _need_stuck(run, steps)
        if step not in names:
            raise NotRepairable(f"{step} is not stuck: {' and '.join(names)} can be skipped.")
        undo = _undo_is_stuck(steps)
        _steps(run, [step]).update(state=StepState.SKIPPED, due_at=None, lease=None, done_at=Now())
        _go_on(run, backward=undo, aborted=undo)  # the undo may have been the only sign that it had turned back
        note(actor, "skip", KIND, [run.id], reason=reason, details=_details(run, [step]))


def compensate(run_id: UUID, *, actor: str, reason: str = "") -> None:
    """Turns a running saga back. Raises NotRepairable once a pivot has begun, or SagaRun.DoesNotExist."""
    with transaction.atomic():
        run, steps = _locked(run_id)
        if why_not := _why_not_back(run, steps):
            raise NotRepairable(why_not)
        sql.run(sql.ABORT, {"id": run.id, "code": TURNED_BACK, "reason": ""})
        note(actor, "compensate", KIND, [run.id], reason=reason, details=_details(run, []))


def _locked(run_id: UUID) -> tuple[SagaRun, list[SagaStep]]:
    run = SagaRun.objects.select_for_update(no_key=True).get(id=run_id)
    return run, list(run.steps.all())


def _steps(run: SagaRun, names: Sequence[str]) -> QuerySet[SagaStep]:
    return SagaStep.objects.filter(run_id=run.id, name__in=names)


def _undo_is_stuck(steps: Sequence[SagaStep]) -> bool:
    return any(step.state == StepState.STUCK for step in steps)


def _stuck(run: SagaRun, steps: Sequence[SagaStep]) -> tuple[str, ...]:
    """An undo that failed; else what said no behind a pivot. A no that led to compensation is no matter of repair."""
    if run.state != RunState.STUCK:
        return ()
    wanted = (StepState.STUCK,) if _undo_is_stuck(steps) else _SAID_NO
    return tuple(sorted(step.name for step in steps if step.state in wanted))


def _need_stuck(run: SagaRun, steps: Sequence[SagaStep]) -> tuple[str, ...]:
    names = _stuck(run, steps)
    if not names:
        raise NotRepairable(f"The saga is {run.state}: only a stuck one can be retried, or a step of it skipped.")
    return names


def _why_not_back(run: SagaRun, steps: Sequence[SagaStep]) -> str | None:
    if run.state in _ENDED:
        return f"The saga has ended: it is {run.state}."
    try:
        pivots = {name for name, step in saga(run.saga).steps.items() if step.pivot}
    except LookupError as error:
        return str(error)
    begun = sorted(pivots.intersection(step.name for step in steps))
    if begun:
        return (
            f"The pivot {' and '.join(begun)} has begun, and perhaps acted: from there the saga only goes forward."
            " What is stuck can be retried, or skipped once it is settled by hand."
        )
    if run.aborted or run.state != RunState.RUNNING:
        return "The saga is turning back already; an undo that is stuck can be retried, or skipped."
    return None


def _go_on(run: SagaRun, *, backward: bool, aborted: bool = False) -> None:
    state = RunState.COMPENSATING if backward else RunState.RUNNING
    SagaRun.objects.filter(id=run.id).update(state=state, aborted=run.aborted or aborted, wake_at=Now())


def _details(run: SagaRun, steps: Sequence[str]) -> dict[str, object]:
    return {"saga": run.saga, "subject": str(run.subject), "steps": list(steps)}
