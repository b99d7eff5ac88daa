"""Performs what was decided, cohort by cohort: the one module in which messages become work, and work messages.

A step's task calls `perform`, the body of a chord calls `decide_next`, the sweep calls `decide_late`. Each ends in
`_go_on`: a following step that this worker may perform is performed, everything else is sent.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, close_old_connections, transaction

from events.db.bisect import bisect, database_lost
from events.db.reconnect import retry_on_disconnect
from events.declare.queues import served_here
from events.delivery.failures import summary_of
from events.monitor.pieces import tell_of_trouble
from sagas.engine import calls, database, network, runs
from sagas.engine.decide import Decided, Ended, Move, changes_of, decide, late_changes, merged, waiting
from sagas.engine.dispatch import Cohort, cohorts_of, publish
from sagas.engine.following import follows_here
from sagas.engine.network import Leased
from sagas.plan import Go, Wait
from sagas.values import Action, DatabaseAction, NetworkAction

log = structlog.get_logger(__name__)


def perform(cohort: Cohort) -> int:
    """Performs the step for all of its runs. Never raises for a run's failure: rows hold the outcome.

    A part of a chord leaves the decision to the chord's body, which never runs if a part raises: so a part does not
    raise even if PostgreSQL stays down. Returns for how many runs it was asked.
    """
    try:
        ended = _perform(cohort)
    except (OperationalError, InterfaceError) as error:
        if cohort.decides:
            raise
        log.warning("cohort left to the sweep", step=cohort.step, runs=len(cohort.run_ids), error=str(error))
        tell_of_trouble(error)
        return 0
    if cohort.decides:
        _go_on(ended, cohort.action)
    return len(cohort.run_ids)


def decide_next(run_ids: Sequence[UUID]) -> None:
    """Decides what comes next for these runs, and sets it going."""
    moves, leased = _decide_and_lease(run_ids)
    ended = Ended(moves)
    if leased is not None:
        _finish_stragglers(os.getpid())
        ended.add(network.perform_leased(leased))
    _go_on(ended, None)


def decide_late(run_ids: Sequence[UUID]) -> None:
    """As `decide_next`, for runs that are late: what was sent and never answered is sent again. Performs nothing."""
    moves: list[Move] = []
    bisect(run_ids, lambda portion: moves.extend(_decide_late(portion)), _left_alone)
    for move in moves:
        try:
            publish(move)
        except Exception as error:  # noqa: BLE001  such as a step that the code no longer has
            for run_id in move.run_ids:
                _left_alone(run_id, error)


def _left_alone(run_id: UUID, error: Exception) -> None:
    """A run of which nothing can be decided is looked at again later, and holds up no other."""
    log.error("run cannot be moved on", run=str(run_id), error=summary_of(error))


@retry_on_disconnect
def _perform(cohort: Cohort) -> Ended:
    action = cohort.action
    if isinstance(action, NetworkAction):
        _finish_stragglers(os.getpid())
        return network.perform(cohort, action)
    assert isinstance(action, DatabaseAction)  # noqa: S101  there is no third kind
    return database.perform(cohort, action)


def _go_on(ended: Ended, action: Action | None) -> None:
    """Performs the steps that follow, as far as this worker may, and sends the others.

    `action`: the one that has just been performed; none: a decision was asked for.
    """
    while ended.moves or ended.undecided:
        moves = merged([*ended.moves, *_decide(ended.undecided)])
        ended = Ended()
        for move in moves:
            if _is_performed_here(move, action):
                ended.add(_perform(*cohorts_of(move)))
            else:
                publish(move)


def _is_performed_here(move: Move, action: Action | None) -> bool:
    if len(move.steps) > 1:
        return False
    (cohort,) = cohorts_of(move)
    if action is None:
        return cohort.action.queue in served_here()
    return follows_here(action, cohort.action, len(move.run_ids))


@retry_on_disconnect
def _decide(run_ids: Sequence[UUID]) -> list[Move]:
    """Decides in a transaction of its own. Deciding twice, or at the wrong moment, does no harm."""
    if not run_ids:
        return []
    with transaction.atomic():
        changes = changes_of(decide(runs.read(run_ids)))
        runs.write(changes)
    return changes.moves


@retry_on_disconnect
def _decide_late(run_ids: Sequence[UUID]) -> list[Move]:
    if not run_ids:
        return []
    with transaction.atomic():
        decided = decide(runs.read(run_ids))
        changes = late_changes(decided, runs.open_steps(waiting(decided)), datetime.now(UTC))
        runs.write(changes)
    return changes.moves


@retry_on_disconnect
def _decide_and_lease(run_ids: Sequence[UUID]) -> tuple[list[Move], Leased | None]:
    """As `_decide`. A network step that begins here is leased in the same transaction, if this worker serves its queue.

    If leasing fails, the step begins as usual, and fails again by itself.
    """
    try:
        with transaction.atomic():
            decided, leased = _lease_first(decide(runs.read(run_ids)))
            changes = changes_of(decided)
            runs.write(changes)
    except Exception as error:
        if database_lost(error):
            raise
        log.info("network step left to its own message", runs=len(run_ids), error=str(error))
        return _decide(run_ids), None
    return changes.moves, leased


def _lease_first(decided: Decided) -> tuple[Decided, Leased | None]:
    """Leases the first network step that may begin here; its runs then wait for their calls."""
    for run, decision in decided:
        if not (isinstance(decision, Go) and len(decision.steps) == 1):
            continue
        step = run.saga.steps[decision.steps[0]]
        action = step.action(undo=False)
        if isinstance(action, NetworkAction) and action.queue in served_here():
            beginning = {other.id for other, next_ in decided if other.saga is run.saga and next_ == decision}
            leased = network.lease_begun(step, list(beginning))
            return [(other, Wait() if other.id in beginning else next_) for other, next_ in decided], leased
    return decided, None


@cache
def _finish_stragglers(pid: int) -> None:
    """Starts the thread of this process that records the results of stragglers."""
    threading.Thread(target=_record_stragglers, name="saga-stragglers", daemon=True).start()


def _record_stragglers() -> None:
    while True:
        for lease, results in calls.next_stragglers():
            try:
                ended = network.record(lease, results, late=True)
                for move in _decide(ended.undecided):
                    publish(move)
            except Exception:  # the lease runs out, and the sweep sends the step again
                log.exception("results of stragglers not recorded", step=lease.step, runs=len(results))
            finally:
                close_old_connections()
