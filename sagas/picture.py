"""A run as a picture: its stages from left to right, each with its steps, what became of them and of their undo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sagas.declare import Saga, saga
from sagas.models import SagaRun, SagaStep
from sagas.plan import RunState, StepState
from sagas.repair import Repairs, repairs

RUN_COLOURS = {
    RunState.RUNNING: "info",
    RunState.COMPENSATING: "warning",
    RunState.DONE: "success",
    RunState.UNDONE: "",
    RunState.STUCK: "danger",
}
STEP_COLOURS = {
    StepState.WAITING: "info",
    StepState.DONE: "success",
    StepState.REFUSED: "danger",
    StepState.FAILED: "danger",
    StepState.UNDOING: "warning",
    StepState.UNDONE: "warning",
    StepState.STUCK: "danger",
    StepState.SKIPPED: "primary",
}
UNDO_BEGUN = {StepState.UNDOING, StepState.UNDONE, StepState.STUCK}


@dataclass(frozen=True)
class Box:
    """One step. `undo` names what takes it back; `row` is missing where it has not begun."""

    name: str
    undo: str
    pivot: bool
    acts: bool
    row: SagaStep | None

    @property
    def state(self) -> str:
        return self.row.state if self.row else ""

    @property
    def label(self) -> str:
        return self.state or ("not begun" if self.acts else "before the saga")

    @property
    def colour(self) -> str:
        return STEP_COLOURS[StepState(self.state)] if self.state else ""

    @property
    def undo_begun(self) -> bool:
        return self.state in UNDO_BEGUN

    @property
    def took(self) -> str:
        """From its first sending to its outcome; of an undo the row keeps no beginning."""
        return _took(self.row.begun_at, self.row.done_at) if self.row and not self.undo_begun else ""


@dataclass(frozen=True)
class Picture:
    """`declared` is False where the code no longer has this saga: then every step that ran is a stage of its own."""

    run: SagaRun
    colour: str
    stages: Sequence[Sequence[Box]]
    declared: bool
    repairs: Repairs

    @property
    def turned_back(self) -> bool:
        """Whether compensation shows."""
        return any(box.undo_begun for stage in self.stages for box in stage)

    @property
    def took(self) -> str:
        return _took(self.run.started_at, self.run.finished_at)


def pictures(runs: Sequence[SagaRun]) -> list[Picture]:
    """Draws runs whose `steps` have been prefetched."""
    return [_picture(run) for run in runs]


def _picture(run: SagaRun) -> Picture:
    rows = {step.name: step for step in sorted(run.steps.all(), key=lambda step: (step.begun_at, step.name))}
    try:
        declared: type[Saga] | None = saga(run.saga)
    except LookupError:
        declared = None
    stages = _declared_stages(declared, rows) if declared else []
    known = {box.name for stage in stages for box in stage}
    stages += [[Box(name, "", False, True, row)] for name, row in rows.items() if name not in known]
    return Picture(run, RUN_COLOURS[RunState(run.state)], stages, declared is not None, repairs(run))


def _declared_stages(declared: type[Saga], rows: Mapping[str, SagaStep]) -> list[list[Box]]:
    return [[_box(declared, step.name, rows.get(step.name)) for step in stage] for stage in declared.plan_stages]


def _box(declared: type[Saga], name: str, row: SagaStep | None) -> Box:
    step = declared.steps[name]
    return Box(name, step.undo.name if step.undo else "", step.pivot, step.do is not None, row)


def _took(begun: datetime, done: datetime | None) -> str:
    if done is None:
        return ""
    seconds = (done - begun).total_seconds()
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
