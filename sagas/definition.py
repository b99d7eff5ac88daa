"""What sagas are declared of, and the frozen definition that the engine works with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from events import DeclarationError
from events.declare.queues import Queue
from sagas.plan import PlannedStep, Stage
from sagas.values import Action, DatabaseAction, NetworkAction

Given = Callable[[Sequence[UUID]], Mapping[UUID, Any]]
"""What the saga tells a step about its subjects; a service thus needs to know nothing of another's rows."""


class Step:
    """Something done and, if the saga turns back, undone. Without a `do` it stands for what preceded the saga.

    `given` is called once for a whole cohort, in the transaction of the step; `Call.input` is its answer.
    """

    pivot = False

    def __init__(self, do: Action | None = None, *, undo: Action | None = None, given: Given | None = None) -> None:
        for action in (do, undo):
            if action is not None and not isinstance(action, DatabaseAction | NetworkAction):
                raise DeclarationError(f"{action!r} is no action: decorate it with @action or @network_action")
        named = do or undo
        if named is None:
            raise DeclarationError(f"{type(self).__name__}() has no name: give it a `do`, an `undo`, or both")
        self.do, self.undo, self.given = do, undo, given
        self.name = named.name

    def action(self, *, undo: bool) -> Action:
        """Raises LookupError for a step that has nothing to do, or to undo."""
        action = self.undo if undo else self.do
        if action is None:
            raise LookupError(f"the step {self.name} has nothing to {'undo' if undo else 'do'}")
        return action

    def inputs(self, subjects: Sequence[UUID]) -> Mapping[UUID, Any]:
        """What the saga gives the step for each of these subjects; one call for all of them."""
        return self.given(subjects) if self.given and subjects else {}

    def planned(self) -> PlannedStep:
        return PlannedStep(self.name, self.do is not None, self.undo is not None, self.pivot)


class Pivot(Step):
    """From here only forward: it is retried, never undone."""

    pivot = True

    def __init__(self, do: Action, *, given: Given | None = None) -> None:
        super().__init__(do, given=given)


class Together:
    """Steps of one stage: a chord over their services' queues."""

    def __init__(self, *steps: Step) -> None:
        self.steps = steps


@dataclass(frozen=True, eq=False)
class Definition:
    """A declared saga. Of one name there is one definition, so two are equal only if they are the same object.

    `first` names the steps that a run begins with. `home` is the queue on which its chords' bodies run unless a
    better one is known. `deadline` is in seconds.
    """

    name: str
    module: str
    stages: tuple[Stage, ...]
    steps: Mapping[str, Step]
    first: tuple[str, ...]
    home: Queue
    deadline: float

    @property
    def queues(self) -> frozenset[Queue]:
        """Where its steps and their undo run."""
        return queues_of(self.steps.values())

    def has_begun_pivot(self, begun: set[str]) -> bool:
        """Whether one of these steps is a pivot: then the run can no longer turn back."""
        return any(step.pivot and step.name in begun for step in self.steps.values())

    def queue_after(self, step: str) -> Queue:
        """The queue of the next declared step: a worker that decides there may perform it without a message."""
        names = list(self.steps)
        behind = names[names.index(step) + 1 :]
        following = self.steps[behind[0]].do if behind else None
        return following.queue if following else self.home


def queues_of(steps: Sequence[Step] | Any) -> frozenset[Queue]:
    """The queues of these steps' actions."""
    return frozenset(action.queue for step in steps for action in (step.do, step.undo) if action is not None)


_definitions: dict[str, Definition] = {}


def register(definition: Definition) -> None:
    """Raises DeclarationError for a name that another module has taken."""
    known = _definitions.get(definition.name)
    if known is not None and known.module != definition.module:
        raise DeclarationError(f"{definition.module}.{definition.name}: the name is taken by {known.module}")
    _definitions[definition.name] = definition


def definition(name: str) -> Definition:
    """The saga of this name. Raises LookupError if the code no longer has it."""
    try:
        return _definitions[name]
    except KeyError:
        raise LookupError(f"no saga {name!r} is declared: deploy the code that has it") from None


def definitions() -> list[Definition]:
    """Every declared saga, by name."""
    return [_definitions[name] for name in sorted(_definitions)]
