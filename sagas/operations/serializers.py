"""Request and response bodies of the saga API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta, field

from desk.one_line import OneLine
from sagas import models
from sagas.operations.picture import Box, pictures
from sagas.operations.subject import SUBJECT
from sagas.plan import RunState, StepState

RUN_STATES = [str(state) for state in RunState]
State = Annotated[str, Meta(extra_json_schema={"enum": RUN_STATES})]
STEP_STATES = ["not_begun", *(str(state) for state in StepState)]
StateOfStep = Annotated[str, Meta(extra_json_schema={"enum": STEP_STATES})]
Part = Annotated[UUID, Meta(description=f"The part of the {SUBJECT} that it is for; null if it is for the whole")]
Reason = Annotated[OneLine, Meta(min_length=1, max_length=500, description="For the audit, not for the public")]


# --- out -----------------------------------------------------------------------------------------------------


class SagaRun(msgspec.Struct, frozen=True, rename="camel"):
    """A run of a saga for one subject, or for a part of it."""

    id: UUID
    saga: str
    subject: UUID = field(name=SUBJECT)
    part: Part | None
    state: State
    reason_code: str
    reason: str
    started_at: datetime
    finished_at: datetime | None
    wake_at: datetime | None

    @classmethod
    def of(cls, run: models.SagaRun) -> SagaRun:
        return cls(**_fields(run))


class SagaStep(msgspec.Struct, frozen=True, rename="camel"):
    """One step, in the order of the saga. Steps from a `pivot` on have no undo."""

    name: str
    state: StateOfStep
    stage: int
    pivot: bool
    undo: str
    attempts: int
    error_code: str
    error: str
    begun_at: datetime | None
    done_at: datetime | None

    @classmethod
    def of(cls, stage: int, box: Box) -> SagaStep:
        row = box.row
        if row is None:
            return cls(box.name, "not_begun", stage, box.pivot, box.undo, 0, "", "", None, None)
        done = row.error_code, row.error, row.begun_at, row.done_at
        return cls(box.name, row.state, stage, box.pivot, box.undo, row.attempts, *done)


class Repairs(msgspec.Struct, frozen=True, rename="camel"):
    """The repairs that are possible now. `skip`: the names of the steps that can be skipped."""

    retry: bool
    skip: list[str]
    compensate: bool


class SagaDetails(SagaRun, frozen=True, rename="camel"):
    """A run with its steps."""

    actor: str
    correlation_id: str
    causation_id: str
    traceparent: str
    steps: list[SagaStep]
    repairs: Repairs

    @classmethod
    def of(cls, run: models.SagaRun) -> SagaDetails:
        """The caller must have prefetched `steps`."""
        (picture,) = pictures([run])
        may = picture.repairs
        return cls(
            **_fields(run),
            actor=run.actor,
            correlation_id=run.correlation_id,
            causation_id=run.causation_id,
            traceparent=run.traceparent,
            steps=[SagaStep.of(number, box) for number, stage in enumerate(picture.stages) for box in stage],
            repairs=Repairs(may.retry, list(may.stuck), may.compensate),
        )


def _fields(run: models.SagaRun) -> dict[str, Any]:
    return {
        "id": run.id,
        "saga": run.saga,
        "subject": run.subject,
        "part": run.part,
        "state": run.state,
        "reason_code": run.reason_code,
        "reason": run.reason,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "wake_at": run.wake_at,
    }


# --- in ------------------------------------------------------------------------------------------------------


class ReasonBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The reason of a repair; optional."""

    reason: Reason | None = None


class Skip(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A step that was resolved by hand, and the reason to skip it."""

    step: Annotated[str, Meta(min_length=1, max_length=100)]
    reason: Reason
