"""View models that draw a saga run as stages from left to right, with the outcome of each step and its undo."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from desk import audit
from desk.actors import names_of
from sagas.definition import Definition, definition
from sagas.models import SagaRun, SagaStep
from sagas.operations.repair import KIND, Repairs, repairs
from sagas.plan import RunState, StepState

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
    """One step. `undo`: the name of its compensation; `row`: None if the step has not begun."""

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
        """The time from the first message to the outcome. Empty for an undo, whose start the row does not store."""
        return _took(self.row.begun_at, self.row.done_at) if self.row and not self.undo_begun else ""


@dataclass(frozen=True)
class PastRepair:
    """One repair of the run by a person. `steps`: what was repaired, with the attempts that a retry set back."""

    at: datetime
    who: str
    action: str
    reason: str
    steps: str


@dataclass(frozen=True)
class Picture:
    """One run. `declared` is False if the code no longer has this saga; then each step that ran is its own stage."""

    run: SagaRun
    colour: str
    stages: Sequence[Sequence[Box]]
    declared: bool
    repairs: Repairs
    past: Sequence[PastRepair] = ()

    @property
    def turned_back(self) -> bool:
        """Whether the undo of any step has begun."""
        return any(box.undo_begun for stage in self.stages for box in stage)

    @property
    def took(self) -> str:
        return _took(self.run.started_at, self.run.finished_at)


def pictures(runs: Sequence[SagaRun]) -> list[Picture]:
    """One picture per run, with two statements for all. The caller must have prefetched `steps`."""
    past: dict[str, list[PastRepair]] = defaultdict(list)
    entries = audit.about_any(KIND, [run.id for run in runs])
    names = names_of(entry.actor for entry in entries)
    for entry in entries:
        who = names.get(entry.actor, entry.actor)
        repair = PastRepair(entry.at, who, entry.action, entry.reason, _steps_of(entry.details))
        past[entry.target_ids[0]].insert(0, repair)
    return [_picture(run, past[str(run.id)]) for run in runs]


def _steps_of(details: Mapping[str, Any]) -> str:
    failed = details.get("failed", {})
    names = details.get("steps", ())
    return ", ".join(f"{name} ({failed[name]})" if name in failed else name for name in names)


def _picture(run: SagaRun, past: Sequence[PastRepair]) -> Picture:
    rows = {step.name: step for step in sorted(run.steps.all(), key=lambda step: (step.begun_at, step.name))}
    try:
        declared: Definition | None = definition(run.saga)
    except LookupError:
        declared = None
    stages = _declared_stages(declared, rows) if declared else []
    known = {box.name for stage in stages for box in stage}
    stages += [[Box(name, "", False, True, row)] for name, row in rows.items() if name not in known]
    return Picture(run, RUN_COLOURS[RunState(run.state)], stages, declared is not None, repairs(run), past)


def _declared_stages(declared: Definition, rows: Mapping[str, SagaStep]) -> list[list[Box]]:
    return [[_box(declared, step.name, rows.get(step.name)) for step in stage] for stage in declared.stages]


def _box(declared: Definition, name: str, row: SagaStep | None) -> Box:
    step = declared.steps[name]
    return Box(name, step.undo.name if step.undo else "", step.pivot, step.do is not None, row)


def _took(begun: datetime, done: datetime | None) -> str:
    if done is None:
        return ""
    seconds = (done - begun).total_seconds()
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
