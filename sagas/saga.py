"""Declaring a saga: `class PlaceOrder(Saga, on=OrderCreated): stages = (…)`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from events import DeclarationError, Event
from events.declare.ids import ids_of, subjects_of
from events.delivery.subscribe import subscribe
from sagas.definition import Definition, Step, Together, queues_of, register
from sagas.plan import Go, Stage, plan
from sagas.start import start


class Saga:
    """A process over several services. The class is its declaration; the engine works with its `definition`.

    The event's stream names the subject (an order); events for which `when` says no start nothing. Where one subject
    may have several runs, `part` names the event's field that tells them apart (a return's id): it is then the
    subject of every `Call`. A run is looked at again when nothing has happened for `deadline` seconds.
    """

    stages: ClassVar[tuple[Step | Together, ...]] = ()
    deadline: ClassVar[float] = 15.0
    definition: ClassVar[Definition]

    def __init_subclass__(
        cls, on: type[Event], when: Callable[[Any], bool] = lambda event: True, part: str = "", **options: Any
    ) -> None:
        super().__init_subclass__(**options)
        place = f"{cls.__module__}.{cls.__qualname__}"
        if part and part not in on.__struct_fields__:
            raise DeclarationError(f"{place}: part={part!r} must name a field of {on.__name__}")
        cls.definition = _define(cls, place)
        register(cls.definition)
        _listen(cls, on, when, part)


def _define(cls: type[Saga], place: str) -> Definition:
    stages = [stage.steps if isinstance(stage, Together) else (stage,) for stage in cls.stages]
    steps = [step for stage in stages for step in stage]
    by_name = {step.name: step for step in steps}
    if not steps or len(by_name) != len(steps):
        raise DeclarationError(f"{place}: needs at least one step, and no two of the same name")
    _check_pivots(place, stages)
    planned = tuple(tuple(step.planned() for step in stage) for stage in stages)
    queues, own = queues_of(steps), cls.__module__.partition(".")[0]
    home = next((queue for queue in queues if queue == own), min(queues))
    return Definition(cls.__name__, cls.__module__, planned, by_name, _first(place, planned), home, cls.deadline)


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
    """The relay starts the runs itself, in the transaction in which it claims the events."""
    definition = cls.definition

    def begin(events: Sequence[Event]) -> None:
        wanted = [event for event in events if when(event)]
        parts = [getattr(event, part) for event in wanted] if part else None
        start(definition, ids_of(subjects_of(wanted)), parts)

    begin.__name__ = begin.__qualname__ = cls.__name__
    begin.__module__ = cls.__module__
    begin.__doc__ = cls.__doc__
    subscribe(on, queue=definition.home, batch=1000, at_relay=True, gates=definition.queues)(begin)
