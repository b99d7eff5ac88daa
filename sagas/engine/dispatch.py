"""Sending what was decided: a task for one step, a chord for several. A broker that is down costs time only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from celery import current_app

from events.declare.ids import texts_of
from events.delivery.broker import AWAY, send
from sagas.definition import Step, definition
from sagas.engine.decide import Move
from sagas.results import Body, send_chord
from sagas.values import Action, DatabaseAction

log = structlog.get_logger(__name__)
DECIDE = "sagas.decide"
"""The task that decides what comes next for some runs: the body of a stage's chord."""


@dataclass(frozen=True)
class Cohort:
    """Runs of one saga at one step, doing or undoing it: what one message carries.

    `decides`: the worker that performs the step also decides what comes next; in a chord, the body does.
    `alone`: earlier messages were not answered, so the step may be what crashes its worker.
    """

    saga: str
    step: str
    undo: bool
    run_ids: Sequence[UUID]
    decides: bool = True
    alone: bool = False

    @property
    def declared(self) -> Step:
        """Raises LookupError if the code no longer has it."""
        return definition(self.saga).steps[self.step]

    @property
    def action(self) -> Action:
        return self.declared.action(undo=self.undo)

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The arguments of the step's task."""
        usual = (self.saga, self.step, self.undo, texts_of(self.run_ids), self.decides)
        return (*usual, True) if self.alone else usual


def cohorts_of(move: Move) -> list[Cohort]:
    """One for each step. Only a step by itself decides what comes next."""
    decides = len(move.steps) == 1
    return [Cohort(move.saga, step, move.undo, move.run_ids, decides, move.alone) for step in move.steps]


def publish(move: Move) -> None:
    """Sends the messages of this move. What is not sent, the sweep sends later."""
    cohorts = cohorts_of(move)
    if len(cohorts) == 1:
        (cohort,) = cohorts
        send(current_app, cohort.action.task, cohort.arguments)
        return
    # Network steps first, because they take longer: the others are sent meanwhile.
    header = sorted(cohorts, key=lambda one: isinstance(one.action, DatabaseAction))
    try:
        send_chord(current_app, [(one.action.task, one.arguments) for one in header], _body(move))
    except AWAY as error:
        log.warning("chord not sent; the sweep will send it", saga=move.saga, error=str(error))


def _body(move: Move) -> Body:
    """On the queue of the step behind this stage: a worker that serves it performs that step without a message."""
    declared = definition(move.saga)
    queue = declared.home if move.undo else declared.queue_after(move.steps[-1])
    return Body(DECIDE, (texts_of(move.run_ids),), queue)
