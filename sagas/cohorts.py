"""Runs that stand at the same place travel together: one message, or one chord, moves them all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from celery import current_app
from django.db import InterfaceError, OperationalError, transaction

from events.broker import AWAY, send
from events.ids import texts_of
from events.isolation import database_lost
from events.patience import patiently
from events.queues import Queue
from sagas.actions import Action, DatabaseAction, NetworkAction
from sagas.declare import Saga, Step, saga
from sagas.network import Leased, lease_begun, perform_leased, perform_network
from sagas.perform import Ended, follows_at_once, perform_database
from sagas.results import Body, send_chord
from sagas.settle import Move, Performed, settle, together

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Cohort:
    """Runs of one saga at one step, doing or undoing it."""

    saga: str
    step: str
    undo: bool
    run_ids: Sequence[UUID]
    alone: bool = False

    @property
    def declared(self) -> Step:
        return saga(self.saga).steps[self.step]

    @property
    def action(self) -> Action:
        return self.declared.action(undo=self.undo)


def work(cohort: Cohort, *, settles: bool) -> int:
    """Performs the step for all of its runs. Never raises for a run's failure: rows hold the outcome.

    With `settles` the runs go on from here. A part of a chord leaves that to the chord's body, which never runs if a
    part raises: so it does not, even if PostgreSQL stays away. Returns for how many runs it was asked.
    """
    try:
        ended = patiently(partial(_perform, cohort, settles=settles))
    except (OperationalError, InterfaceError) as error:
        if settles:
            raise
        log.warning("left to the sweep", step=cohort.step, runs=len(cohort.run_ids), error=str(error))
        return 0
    if settles:
        _go_on(ended, lambda following: follows_at_once(cohort.action, following.action, len(following.run_ids)))
    return len(cohort.run_ids)


def advance(run_ids: Sequence[UUID], here: Collection[Queue] = (), *, late: bool = False) -> None:
    """Asks what comes next for these runs and sets it going.

    A single step whose queue is among `here` is performed at once, without a message. `late`: what was sent
    and never answered is sent again.
    """
    ended = Ended([], patiently(partial(settle, run_ids, late=late)))
    _go_on(ended, lambda following: following.action.queue in here)


def go_on_here(run_ids: Sequence[UUID], here: Collection[Queue]) -> None:
    """As `advance`. A step that makes calls is leased in the transaction that begins it, if its queue is `here`."""
    moves, leased = patiently(partial(_settle_and_lease, run_ids, here))
    ended = perform_leased(leased, settles=True) if leased else Ended()
    ended.moves += moves
    _go_on(ended, lambda following: following.action.queue in here)


def _settle_and_lease(run_ids: Sequence[UUID], here: Collection[Queue]) -> tuple[list[Move], Leased | None]:
    """What cannot be leased is begun all the same, and fails by itself."""
    leased: list[Leased] = []

    def begin(declared: type[Saga], name: str, ids: Sequence[UUID]) -> Callable[[], Performed] | None:
        step = declared.steps[name]
        action = step.action(undo=False)
        if leased or not isinstance(action, NetworkAction) or action.queue not in here:
            return None

        def perform() -> Performed:
            leased.append(lease_begun(step, ids, advance))
            return dict.fromkeys(ids)

        return perform

    try:
        with transaction.atomic():
            moves = settle(run_ids, at_once=begin)
        return moves, leased[0] if leased else None
    except Exception as error:
        if database_lost(error):
            raise
        log.info("not leased at once", runs=len(run_ids), error=str(error))
    return settle(run_ids), None


def _go_on(ended: Ended, at_once: Callable[[Cohort], bool]) -> None:
    while ended.runs or ended.moves:
        moves = ended.moves + patiently(partial(settle, ended.runs))
        ended = Ended()
        for move in together(moves):
            cohorts = [Cohort(move.saga, step, move.undo, move.run_ids, move.alone) for step in move.steps]
            if len(cohorts) == 1 and at_once(cohorts[0]):
                performed = patiently(partial(_perform, cohorts[0], settles=True))
                ended.runs += performed.runs
                ended.moves += performed.moves
            else:
                publish(move, cohorts)


def publish(move: Move, cohorts: Sequence[Cohort]) -> None:
    """Sends a single step as a task, several as a chord whose body settles. A broker away costs time only."""
    if len(cohorts) == 1:
        (cohort,) = cohorts
        send(current_app, cohort.action.task, _arguments(cohort, settles=True))
        return
    # Calls first, for they take longer: the others are sent meanwhile.
    header = sorted(cohorts, key=lambda one: isinstance(one.action, DatabaseAction))
    body = Body("sagas.settle", (texts_of(move.run_ids),), move.body_queue)
    try:
        send_chord(current_app, [(one.action.task, _arguments(one, settles=False)) for one in header], body)
    except AWAY as error:
        log.warning("chord not sent; the sweep will ask again", saga=move.saga, error=str(error))


def _arguments(cohort: Cohort, *, settles: bool) -> tuple[Any, ...]:
    usual = (cohort.saga, cohort.step, cohort.undo, texts_of(cohort.run_ids), settles)
    return (*usual, True) if cohort.alone else usual


def _perform(cohort: Cohort, *, settles: bool) -> Ended:
    settles = settles and not cohort.alone  # what may kill its worker ends by itself, whatever comes next
    if isinstance(cohort.action, NetworkAction):
        return perform_network(cohort.declared, cohort.undo, cohort.run_ids, advance, settles=settles)
    return perform_database(cohort.declared, cohort.undo, cohort.run_ids, alone=cohort.alone, settles=settles)
