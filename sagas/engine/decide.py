"""What comes next for many runs: pure functions over their rows. Nothing here reads or writes anything.

`decide` says what each run does next; `changes_of`, which rows to write for that and what to send after the commit.
`sagas.engine.runs` reads the rows and writes the changes; `sagas.engine.cohorts` performs what was decided.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

import msgspec

from sagas.definition import Definition, definition
from sagas.plan import Decision, Finish, Go, RunState, StepState, Undo, Wait, plan


class Run(msgspec.Struct, frozen=True):
    """A run as its rows say under our lock.

    `steps` is what `sql.STEPS` makes of its steps: "hold_stock done,authorize_payment waiting leased".
    """

    id: UUID
    saga: Definition
    state: str
    aborted: bool
    steps: str

    def after(self, step: str, state: StepState) -> Run:
        """The same run once this step, which it had not begun, has ended in this state."""
        return msgspec.structs.replace(self, steps=f"{self.steps},{step} {state.value}".lstrip(","))


class OpenStep(msgspec.Struct, frozen=True):
    """A step that waits for its outcome. `due`: its message or its lease has had all the time it may take."""

    name: str
    state: str
    due: bool
    due_at: datetime | None
    unanswered: int


class Performed(msgspec.Struct, frozen=True):
    """A step that began and ended within the transaction of the step before it."""

    run_id: UUID
    step: str
    state: StepState
    code: str = ""
    error: str = ""


@dataclass(frozen=True)
class Move:
    """These runs now do, or undo, these steps: a task for one step, a chord for several.

    `alone`: an earlier message was not answered, so it may be what crashes its worker.
    """

    saga: str
    steps: tuple[str, ...]
    undo: bool
    run_ids: list[UUID]
    alone: bool = False


@dataclass
class Ended:
    """What performing a step left to do: `moves` to send, and runs of which nothing was decided yet."""

    moves: list[Move] = field(default_factory=list)
    undecided: list[UUID] = field(default_factory=list)

    def add(self, other: Ended) -> None:
        self.moves += other.moves
        self.undecided += other.undecided


Decided = Sequence[tuple[Run, Decision]]


def decide(runs: Iterable[Run]) -> Decided:
    """What each of these runs does next."""
    return [(run, _decision(run.saga.name, run.steps, run.aborted)) for run in runs]


@lru_cache(maxsize=4096)
def _decision(saga: str, steps: str, aborted: bool) -> Decision:
    """Most runs stand at one of a few places, so the decision for a place is made once."""
    states, in_flight = {}, set()
    for step in steps.split(",") if steps else ():
        name, state, *leased = step.split(" ")
        states[name] = StepState(state)
        if leased:
            in_flight.add(name)
    return plan(definition(saga).stages, states, in_flight=frozenset(in_flight), aborted=aborted)


@dataclass
class Changes:
    """The rows to write, each list for one statement of `sagas.engine.sql`, and what to send after the commit.

    `begun`, `undone`, `again`: (run, step, deadline in seconds). `turning`: runs whose compensation begins, or cannot
    begin. `finished`: (run, state). `wake`: (run, when to look at it again).
    """

    begun: list[tuple[UUID, str, float]] = field(default_factory=list)
    undone: list[tuple[UUID, str, float]] = field(default_factory=list)
    again: list[tuple[UUID, str, float]] = field(default_factory=list)
    turning: list[UUID] = field(default_factory=list)
    performed: list[Performed] = field(default_factory=list)
    finished: list[tuple[UUID, str]] = field(default_factory=list)
    wake: list[tuple[UUID, datetime]] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)


def changes_of(decided: Decided, performed: Sequence[Performed] = ()) -> Changes:
    """What these decisions change. `performed`: steps that were performed in the same transaction already."""
    changes = Changes(performed=list(performed))
    moves = []
    for run, decision in decided:
        deadline = run.saga.deadline
        if isinstance(decision, Go):
            changes.begun += [(run.id, step, deadline) for step in decision.steps]
            moves.append(Move(run.saga.name, decision.steps, False, [run.id]))
        elif isinstance(decision, Undo):
            changes.undone += [(run.id, step, deadline) for step in decision.steps]
            moves.append(Move(run.saga.name, decision.steps, True, [run.id]))
        elif isinstance(decision, Finish):
            changes.finished.append((run.id, decision.state.value))
        if run.state == RunState.RUNNING and _turns_back(decision):
            changes.turning.append(run.id)
    changes.moves = merged(moves)
    return changes


def _turns_back(decision: Decision) -> bool:
    return isinstance(decision, Undo | Finish) and decision != Finish(RunState.DONE)


def late_changes(decided: Decided, open_steps: Mapping[UUID, Sequence[OpenStep]], now: datetime) -> Changes:
    """As `changes_of`, for runs that are late: what is due is sent again, and each gets the time of its next look.

    A step without an answer has probably lost its message: such steps travel together. One that has lost its second
    message as well may be what crashes its worker, and travels alone.
    """
    changes = changes_of(decided)
    moves = list(changes.moves)
    for run, decision in decided:
        if isinstance(decision, Finish):
            continue
        times = [now + timedelta(seconds=run.saga.deadline)]
        for step in open_steps.get(run.id, ()):
            if step.due:
                changes.again.append((run.id, step.name, run.saga.deadline))
                undo = step.state == StepState.UNDOING
                moves.append(Move(run.saga.name, (step.name,), undo, [run.id], alone=step.unanswered > 0))
            elif step.due_at is not None:
                times.append(step.due_at)
        changes.wake.append((run.id, min(times)))
    changes.moves = merged(moves)
    return changes


def waiting(decided: Decided) -> list[UUID]:
    """The runs that wait for the outcome of a step."""
    return [run.id for run, decision in decided if decision == Wait()]


def merged(moves: Iterable[Move]) -> list[Move]:
    """Moves that do the same become one move of many runs, but for those that travel alone."""
    same: dict[tuple[str, tuple[str, ...], bool], list[UUID]] = defaultdict(list)
    alone = []
    for move in moves:
        if move.alone:
            alone.append(move)
        else:
            same[move.saga, move.steps, move.undo] += move.run_ids
    return [Move(saga, steps, undo, ids) for (saga, steps, undo), ids in same.items()] + alone
