"""What comes next for a run: a pure function of its saga's stages and the states of its steps.

It knows no clock, no queue and no database. The same states always give the same answer, so lost, late
and doubled messages cannot lead a run astray.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class StepState(StrEnum):
    """Where a step of a run stands. A step that has not begun has no state."""

    WAITING = "waiting"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"  # exhausted: perhaps it acted, so it is undone like one that did
    UNDOING = "undoing"
    UNDONE = "undone"
    STUCK = "stuck"  # its undo failed for good: a person must look
    SKIPPED = "skipped"  # a person said, with a reason, that it counts as settled


class RunState(StrEnum):
    """Where a run stands; the last three need no more messages."""

    RUNNING = "running"
    COMPENSATING = "compensating"
    DONE = "done"
    UNDONE = "undone"
    STUCK = "stuck"


@dataclass(frozen=True)
class PlannedStep:
    """All that `plan` needs to know of a declared step."""

    name: str
    acts: bool = True
    undoable: bool = True
    pivot: bool = False


Stage = tuple[PlannedStep, ...]


@dataclass(frozen=True)
class Go:
    """Begin these steps, together."""

    steps: tuple[str, ...]


@dataclass(frozen=True)
class Undo:
    """Begin to undo these steps, together."""

    steps: tuple[str, ...]


@dataclass(frozen=True)
class Wait:
    """Some step is still on its way; its outcome asks again."""


@dataclass(frozen=True)
class Finish:
    """Nothing is left to do."""

    state: RunState


Decision = Go | Undo | Wait | Finish
_NO = frozenset({StepState.REFUSED, StepState.FAILED})
_UNDO_BEGUN = frozenset({StepState.UNDOING, StepState.UNDONE, StepState.STUCK})


def plan(
    stages: Sequence[Stage],
    states: Mapping[str, StepState],
    *,
    in_flight: frozenset[str] = frozenset(),
    aborted: bool = False,
) -> Decision:
    """The next move. `in_flight` names steps that a worker is performing now, under a lease;
    `aborted` asks for compensation, and is too late once a pivot has begun. A skipped step counts as done
    going forward, and as undone going backward.
    """
    steps = [step for stage in stages for step in stage]
    behind_pivot = any(step.pivot and step.name in states for step in steps)
    said_no = any(states.get(step.name) in _NO for step in steps)
    compensating = any(states.get(step.name) in _UNDO_BEGUN for step in steps)
    if behind_pivot and said_no:
        return Finish(RunState.STUCK)
    if compensating or ((aborted or said_no) and not behind_pivot):
        return _backward(stages, states, in_flight)
    return _forward(stages, states)


def _forward(stages: Sequence[Stage], states: Mapping[str, StepState]) -> Decision:
    for stage in stages:
        acting = [step.name for step in stage if step.acts]
        fresh = tuple(name for name in acting if name not in states)
        if fresh:
            return Go(fresh)
        if any(states[name] is StepState.WAITING for name in acting):
            return Wait()
    return Finish(RunState.DONE)


def _backward(stages: Sequence[Stage], states: Mapping[str, StepState], in_flight: frozenset[str]) -> Decision:
    for stage in reversed(stages):
        begun = [step for step in stage if step.name in states or not step.acts]
        if any(states.get(step.name) is StepState.WAITING and step.name in in_flight for step in begun):
            return Wait()
        to_undo = tuple(step.name for step in begun if step.undoable and _may_have_acted(states.get(step.name)))
        if to_undo:
            return Undo(to_undo)
        if any(states.get(step.name) is StepState.UNDOING for step in begun):
            return Wait()
        if any(states.get(step.name) is StepState.STUCK for step in begun):
            return Finish(RunState.STUCK)
    return Finish(RunState.UNDONE)


def _may_have_acted(state: StepState | None) -> bool:
    """A step that never acts by itself (no state) stands for what was there before the saga: it is undone too."""
    return state in {None, StepState.DONE, StepState.FAILED, StepState.WAITING}
