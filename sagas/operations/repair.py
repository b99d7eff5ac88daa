"""Operators' repairs of a saga run: retry or skip a stuck step, or compensate the run. Each is in the audit log.

Each repair only changes rows; within a few seconds the sweep decides what comes next, as for any other run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from msgspec.structs import replace

from desk import audit
from events.db.query import execute
from events.log.context import Context, caused_by
from sagas.definition import definition
from sagas.engine import sql
from sagas.engine.steps import calls_of
from sagas.models import SagaRun, SagaStep
from sagas.plan import RunState, StepState
from sagas.values import NetworkAction

KIND = "saga"
TURNED_BACK = "turned_back_by_staff"
"""The run's reason code. What the person wrote is for the audit: a run's reason may be shown to the public."""
_SAID_NO = (StepState.FAILED, StepState.REFUSED)
_ENDED = (RunState.DONE, RunState.UNDONE)


class NotRepairable(Exception):
    """The run's state does not allow this repair. The message says which repairs are possible."""


@dataclass(frozen=True)
class Repairs:
    """The possible repairs of a run. `stuck`: names of the steps that may be retried or skipped."""

    stuck: tuple[str, ...]
    compensate: bool

    @property
    def retry(self) -> bool:
        return bool(self.stuck)


def repairs(run: SagaRun) -> Repairs:
    """The possible repairs of a run. Uses prefetched `steps`; otherwise it reads them."""
    steps = list(run.steps.all())
    return Repairs(_stuck(run, steps), _why_not_back(run, steps) is None)


def retry(run_id: UUID, *, actor: str, reason: str = "") -> None:
    """Retries the stuck steps with a fresh attempt budget. Raises NotRepairable, or SagaRun.DoesNotExist."""
    with transaction.atomic():
        run, steps = _locked(run_id)
        names = _need_stuck(run, steps)
        undo = _undo_is_stuck(steps)
        again = StepState.UNDOING if undo else StepState.WAITING
        _steps(run, names).update(state=again, attempts=0, due_at=Now(), lease=None, done_at=None)
        _go_on(run, backward=undo)
        before = {step.name: _failure(step) for step in steps if step.name in names}
        audit.record(actor, "retry", KIND, [run.id], reason=reason, details=_details(run, names) | {"failed": before})


def skip(run_id: UUID, step: str, *, actor: str, reason: str) -> None:
    """Marks a step that was resolved by hand as done; if its undo is stuck, as undone.

    Raises NotRepairable if the run is not stuck on this step, or SagaRun.DoesNotExist.
    """
    with transaction.atomic():
        run, steps = _locked(run_id)
        names = _need_stuck(run, steps)
        if step not in names:
            raise NotRepairable(f"{step} is not stuck. You can skip {' or '.join(names)}.")
        undo = _undo_is_stuck(steps)
        _steps(run, [step]).update(state=StepState.SKIPPED, due_at=None, lease=None, done_at=Now())
        _tell_settled(run, step, actor, undo=undo)
        _go_on(run, backward=undo, aborted=undo)  # a skipped undo must not hide that the run is compensating
        audit.record(actor, "skip", KIND, [run.id], reason=reason, details=_details(run, [step]))


def compensate(run_id: UUID, *, actor: str, reason: str = "") -> None:
    """Compensates a running saga. Raises NotRepairable once a pivot has begun, or SagaRun.DoesNotExist."""
    with transaction.atomic():
        run, steps = _locked(run_id)
        if why_not := _why_not_back(run, steps):
            raise NotRepairable(why_not)
        execute(sql.ABORT, {"id": run.id, "code": TURNED_BACK, "reason": ""})
        audit.record(actor, "compensate", KIND, [run.id], reason=reason, details=_details(run, []))


def _locked(run_id: UUID) -> tuple[SagaRun, list[SagaStep]]:
    run = SagaRun.objects.select_for_update(no_key=True).get(id=run_id)
    return run, list(run.steps.all())


def _steps(run: SagaRun, names: Sequence[str]) -> QuerySet[SagaStep]:
    return SagaStep.objects.filter(run_id=run.id, name__in=names)


def _undo_is_stuck(steps: Sequence[SagaStep]) -> bool:
    return any(step.state == StepState.STUCK for step in steps)


def _stuck(run: SagaRun, steps: Sequence[SagaStep]) -> tuple[str, ...]:
    """The steps whose undo failed; else the steps that failed after a pivot. Other failures lead to compensation."""
    if run.state != RunState.STUCK:
        return ()
    wanted = (StepState.STUCK,) if _undo_is_stuck(steps) else _SAID_NO
    return tuple(sorted(step.name for step in steps if step.state in wanted))


def _need_stuck(run: SagaRun, steps: Sequence[SagaStep]) -> tuple[str, ...]:
    names = _stuck(run, steps)
    if not names:
        raise NotRepairable(f"The saga is {run.state}: only steps of a stuck saga can be retried or skipped.")
    return names


def _why_not_back(run: SagaRun, steps: Sequence[SagaStep]) -> str | None:
    if run.state in _ENDED:
        return f"The saga has ended ({run.state}) and can no longer be compensated."
    try:
        pivots = {name for name, step in definition(run.saga).steps.items() if step.pivot}
    except LookupError as error:
        return str(error)
    begun = sorted(pivots.intersection(step.name for step in steps))
    if begun:
        return (
            f"The pivot {' and '.join(begun)} has begun and may have taken effect: the saga can only go forward."
            " Retry a stuck step, or skip it after you have resolved it by hand."
        )
    if run.aborted or run.state != RunState.RUNNING:
        return "The saga is already compensating. Retry or skip an undo that is stuck."
    return None


def _go_on(run: SagaRun, *, backward: bool, aborted: bool = False) -> None:
    state = RunState.COMPENSATING if backward else RunState.RUNNING
    SagaRun.objects.filter(id=run.id).update(state=state, aborted=run.aborted or aborted, wake_at=Now())


def _tell_settled(run: SagaRun, step: str, actor: str, *, undo: bool) -> None:
    """Lets the step's action record that a person did its work. One that is gone from the code records nothing."""
    try:
        declared = definition(run.saga).steps[step]
        action = declared.action(undo=undo)
    except LookupError:
        return
    if isinstance(action, NetworkAction) and action.settled:
        taken = calls_of(declared, undo, [run.id])
        with caused_by(
            Context(actor=actor), {whole: replace(one, actor=actor) for whole, one in taken.contexts.items()}
        ):
            action.settled(taken.calls)


def _failure(step: SagaStep) -> str:
    """What a retry sets back: `8 attempts, GatewayUnavailable`."""
    return f"{step.attempts} attempt{'' if step.attempts == 1 else 's'}, {step.error_code or 'no error'}"


def _details(run: SagaRun, steps: Sequence[str]) -> dict[str, object]:
    return {"saga": run.saga, "subject": str(run.subject), "steps": list(steps)}
