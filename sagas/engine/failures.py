"""Steps that raised: collected over a cohort, and written as one statement."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import msgspec
import structlog
from django.db import transaction
from msgspec.structs import astuple

from events.db.bisect import Bisection
from events.db.query import execute
from events.delivery.failures import Attempts, summary_of
from events.log.context import Context, caused_by
from events.monitor.pieces import problem_of
from sagas.definition import Step
from sagas.engine import measures, sql
from sagas.engine.runs import lock
from sagas.engine.steps import calls_of, expected_state, log_fields
from sagas.models import SagaStep
from sagas.monitor import shown
from sagas.plan import StepState
from sagas.values import Call, GivenUp, NetworkAction

log = structlog.get_logger(__name__)
FINAL = {StepState.FAILED, StepState.STUCK}


class Failure(msgspec.Struct, frozen=True):
    """The new values of the step's row."""

    run_id: UUID
    state: str
    delay: float
    code: str
    text: str


@dataclass
class Failures:
    """Of one step of a cohort. `counted`: the attempts are in the rows already."""

    declared: Step
    undo: bool
    lease: UUID | None = None
    counted: bool = False
    began: float = field(default_factory=time.time)
    rows: list[Failure] = field(default_factory=list)
    errors: dict[UUID, Exception] = field(default_factory=dict)
    contexts: Mapping[str, Context] = field(default_factory=dict)
    """Of the subjects, for the log."""

    def __post_init__(self) -> None:
        self.attempts = Attempts(self._failed_before)
        self.step, self.action = self.declared.name, self.declared.action(undo=self.undo)

    def _failed_before(self, run_id: UUID) -> int:
        return SagaStep.objects.filter(run_id=run_id, name=self.step).values_list("attempts", flat=True).first() or 0

    def add(self, run_id: UUID, error: Exception, call: Call | None = None) -> None:
        """The step waits for its next attempt, or has used up its attempts and ended. `call`: for the log, if known."""
        attempt = self.attempts.failed(run_id)
        exhausted = self.action.retry.exhausted(attempt)
        waiting, final = (StepState.UNDOING, StepState.STUCK) if self.undo else (StepState.WAITING, StepState.FAILED)
        state, delay = final if exhausted else waiting, self.action.retry.delay(attempt)
        text = summary_of(error)
        self.rows.append(Failure(run_id, state, delay, type(error).__name__, text))
        self.errors[run_id] = error
        log.warning(
            "step failed", step=self.step, run=str(run_id), attempt=attempt, exhausted=exhausted, error=text,
            **self._fields(call),
        )  # fmt: skip

    def _fields(self, call: Call | None) -> dict[str, str]:
        """Of a call's subject, or of the only one; nothing for a run of a part of a subject among others."""
        of_call = call is not None and str(call.subject) in self.contexts
        subjects = [str(call.subject)] if call is not None and of_call else list(self.contexts)
        if len(subjects) != 1:
            return {}
        (subject,) = subjects
        return log_fields(subject, self.contexts[subject])

    def write(self) -> list[UUID]:
        """Returns the runs whose step has ended because it has no attempts left."""
        ended: list[UUID] = []
        portions = Bisection(self.rows)
        for portion in portions:
            try:
                ended += self._write(portion, tell=True)
            except Exception as error:
                for culprit in portions.failed(portion, error):
                    log.exception(
                        "the action was not told that it was given up", step=self.step, run=str(culprit.run_id)
                    )
                    ended += self._write([culprit], tell=False)
        return ended

    def _write(self, rows: Sequence[Failure], *, tell: bool) -> list[UUID]:
        """In one transaction, with what the action records of the steps that are given up, if it is to be told."""
        ids, states, delays, codes, errors = (list(column) for column in zip(*map(astuple, rows), strict=True))
        parameters = {
            "step": self.step, "state": expected_state(self.undo), "lease": self.lease,
            "counted": 0 if self.lease or self.counted else 1,
            "ids": ids, "states": states, "delays": delays, "codes": codes, "errors": errors,
        }  # fmt: skip
        with transaction.atomic():
            lock(ids)
            written = execute(sql.FAIL, parameters)
            measures.failed(self.step, [state for _, state, _ in written])
            self._show(written)
            ended = [run_id for run_id, state, _ in written if state in FINAL]
            if tell and ended and isinstance(self.action, NetworkAction) and self.action.given_up:
                self._tell(self.action.given_up, ended)
        return ended

    def _show(self, written: Sequence[tuple[UUID, str, UUID]]) -> None:
        """One piece of work for all that failed alike."""
        alike: dict[tuple[str, str, int], list[tuple[UUID, UUID]]] = defaultdict(list)
        for run_id, state, subject in written:
            alike[state, summary_of(self.errors[run_id]), self.attempts.failed(run_id)].append((run_id, subject))
        for (state, _, attempt), both in alike.items():
            problem = problem_of(self.errors[both[0][0]])
            subjects = [subject for _, subject in both]
            shown.failed(self.action, self.undo, subjects, problem, self.began, attempt, final=state in FINAL)

    def _tell(self, given_up: Callable[[Sequence[GivenUp]], None], run_ids: Sequence[UUID]) -> None:
        taken = calls_of(self.declared, self.undo, run_ids)
        with caused_by(Context(actor=self.action.task), taken.contexts):
            given_up([GivenUp(call, self.errors[call.run_id]) for call in taken.calls])
