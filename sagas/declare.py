"""Declaring sagas: stages of steps, each with its undo, up to a pivot from which there is only forward."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from events import DeclarationError, Event, Queue, subscribe
from events.ids import ids_of, subjects_of
from sagas.actions import Action, DatabaseAction, NetworkAction
from sagas.plan import Go, PlannedStep, Stage, plan

Given = Callable[[Sequence[UUID]], Mapping[UUID, Any]]
"""What the saga tells a step about its subjects; a service thus needs to know nothing of another's rows."""


class Step:
    """Something done and, if the saga turns back, undone. Without a `do` it stands for what preceded the saga.

    `given` is asked once for a whole cohort, in the transaction of the step; each `Call.given` is its answer.
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


class Saga:
    """A process over several services: `class PlaceOrder(Saga, on=OrderCreated): stages = (…)`.

    The event's stream names the subject (an order); events for which `when` says no start nothing. Where one subject
    may have several runs, `part` names the event's field that tells them apart (a return's id): it is then the
    subject of every `Call`. A run asks again for what got lost after `deadline` seconds.
    """

    stages: ClassVar[tuple[Step | Together, ...]] = ()
    deadline: ClassVar[float] = 15.0
    name: ClassVar[str]
    plan_stages: ClassVar[tuple[Stage, ...]]
    steps: ClassVar[dict[str, Step]]
    first: ClassVar[tuple[str, ...]]
    """The steps that a run begins with."""

    def __init_subclass__(
        cls, on: type[Event], when: Callable[[Any], bool] = lambda event: True, part: str = "", **options: Any
    ) -> None:
        super().__init_subclass__(**options)
        cls.name = cls.__name__
        place = f"{cls.__module__}.{cls.__qualname__}"
        if cls.name in _sagas and _sagas[cls.name].__module__ != cls.__module__:
            raise DeclarationError(f"{place}: the name is taken by {_sagas[cls.name].__module__}")
        stages = [stage.steps if isinstance(stage, Together) else (stage,) for stage in cls.stages]
        cls.plan_stages = tuple(tuple(step.planned() for step in stage) for stage in stages)
        cls.steps = _by_name(place, [step for stage in stages for step in stage])
        cls.first = _first(place, cls.plan_stages)
        _check_pivots(place, stages)
        if part and part not in on.__struct_fields__:
            raise DeclarationError(f"{place}: part={part!r} must name a field of {on.__name__}")
        _sagas[cls.name] = cls
        _listen(cls, on, when, part)


def _by_name(place: str, steps: Sequence[Step]) -> dict[str, Step]:
    by_name = {step.name: step for step in steps}
    if not steps or len(by_name) != len(steps):
        raise DeclarationError(f"{place}: needs at least one step, and no two of the same name")
    return by_name


def _first(place: str, stages: Sequence[Stage]) -> tuple[str, ...]:
    begins = plan(stages, {})
    if not isinstance(begins, Go):
        raise DeclarationError(f"{place}: none of its steps does anything, they only undo")
    return begins.steps


def _check_pivots(place: str, stages: Sequence[Sequence[Step]]) -> None:
    behind = False
    for stage in stages:
        if len({step.pivot for step in stage}) > 1:
            raise DeclarationError(f"{place}: a stage is all pivots or has none: what may be undone waits for no pivot")
        for step in stage:
            if behind and not step.pivot:
                raise DeclarationError(f"{place}: {step.name} stands behind a pivot, so it must be a Pivot itself")
        behind = behind or any(step.pivot for step in stage)


def _listen(cls: type[Saga], on: type[Event], when: Callable[[Any], bool], part: str) -> None:
    def begin(events: Sequence[Event]) -> None:
        from sagas.start import start

        wanted = [event for event in events if when(event)]
        parts = [getattr(event, part) for event in wanted] if part else None
        start(cls, ids_of(subjects_of(wanted)), parts)

    begin.__name__ = begin.__qualname__ = cls.__name__
    begin.__module__ = cls.__module__
    begin.__doc__ = cls.__doc__
    queues = frozenset(
        Queue(action.queue) for step in cls.steps.values() for action in (step.do, step.undo) if action is not None
    )
    queue = Queue.ORDERS if Queue.ORDERS in queues else min(queues)
    subscribe(on, queue=queue, batch=1000, at_relay=True, gates=queues)(begin)


_sagas: dict[str, type[Saga]] = {}


def saga(name: str) -> type[Saga]:
    """The saga of this name. Raises LookupError if the code no longer has it."""
    try:
        return _sagas[name]
    except KeyError:
        raise LookupError(f"no saga {name!r} is declared: deploy the code that has it") from None


def sagas() -> list[type[Saga]]:
    """Every declared saga, by name."""
    return [_sagas[name] for name in sorted(_sagas)]
