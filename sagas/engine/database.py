"""Performing a database step for a cohort: the effect and the steps' outcome are one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import structlog
from django.db import transaction

from events.db.bisect import Bisection
from events.errors import TimeLimitExceeded
from events.log.append import gathered
from events.monitor.pieces import problem_of
from sagas.engine import runs, steps
from sagas.engine.decide import Ended
from sagas.engine.dispatch import Cohort
from sagas.engine.failures import Failures
from sagas.engine.following import Done, FollowingFailed, go_on, perform_database_action
from sagas.engine.steps import Outcome
from sagas.monitor import shown
from sagas.values import DatabaseAction

log = structlog.get_logger(__name__)


def perform(cohort: Cohort, action: DatabaseAction) -> Ended:
    """May be called twice: steps that have ended are not performed again."""
    failures = Failures(cohort.declared, cohort.undo, counted=cohort.alone)
    run_ids = cohort.run_ids
    if cohort.alone:
        run_ids = steps.begin_alone(cohort.declared, cohort.undo, run_ids)
    ended = Ended()
    portions = Bisection(run_ids)
    for portion in portions:
        try:
            ended.add(_perform_portion(cohort, action, portion, failures))
        except TimeLimitExceeded as error:
            if len(portion) == 1:
                failures.add(portion[0], error)
            else:  # not taken apart, which would hang again and again: the sweep sends them again, at last alone
                log.warning("cohort cut off by its time limit", step=cohort.step, runs=len(portion))
                shown.left(action, cohort.undo, portion, problem_of(error), failures.began)
        except Exception as error:  # noqa: BLE001  whatever an action raises
            for culprit in portions.failed(portion, error):
                failures.add(culprit, error)
    ended.undecided += failures.write()
    return ended


def _perform_portion(cohort: Cohort, action: DatabaseAction, run_ids: Sequence[UUID], failures: Failures) -> Ended:
    try:
        return _in_one_transaction(cohort, action, run_ids, failures, follow=True)
    except FollowingFailed as error:
        # The step that was to follow begins as usual, and fails again by itself: its attempts are its own.
        log.info("following step left to its own message", step=cohort.step, error=str(error))
        return _in_one_transaction(cohort, action, run_ids, failures, follow=False)


def _in_one_transaction(
    cohort: Cohort, action: DatabaseAction, run_ids: Sequence[UUID], failures: Failures, *, follow: bool
) -> Ended:
    decides = cohort.decides and not cohort.alone  # what may crash its worker ends by itself, whatever comes next
    with transaction.atomic(), gathered():
        locked = runs.lock(run_ids) if decides else []
        taken = steps.take(cohort.declared, cohort.undo, run_ids, counted=cohort.alone)
        failures.attempts.taken({call.run_id: call.attempt - 1 for call in taken.calls})
        failures.contexts = taken.contexts
        if not taken.calls:
            return Ended()
        performed = perform_database_action(action, taken.calls, taken.contexts)
        outcomes = [Outcome(one.run_id, one.state, one.code, one.error) for one in performed]
        states = steps.conclude(cohort.step, cohort.undo, None, outcomes, locked=decides)
        if not decides:
            return Ended(undecided=[call.run_id for call in taken.calls])
        done = Done(action, {call.run_id: call for call in taken.calls}, taken.contexts)
        return Ended(go_on(runs.known(locked, states), done if follow else None))
