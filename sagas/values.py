"""What steps do, as values: an action, the call that it gets for each run, and how a network call ended."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from events import Backoff, Queue, Refused
from events.breakers.breaker import Breaker

In = TypeVar("In")
Out = TypeVar("Out")
Refusals = Mapping[UUID, Refused]
"""What a batch action may return: the subjects that it refuses. The others are done."""


class Call(msgspec.Struct, frozen=True):
    """One run's turn in a batch."""

    run_id: UUID
    subject: UUID
    step: str
    undo: bool
    attempt: int
    reason_code: str
    reason: str
    input: Any = None
    skipped: frozenset[str] = frozenset()
    """To an undo: the steps of its run that a person has settled by hand."""
    whole: str = ""
    """The id of what the run is about, though it may be for a part of it only: that is the subject then."""
    traceparent: str = ""
    """The trace context of its run."""
    repaired: bool = False
    """The step failed or was postponed before: a postponement costs no attempt, and an operator may set them back."""

    @property
    def is_again(self) -> bool:
        """Whether it was tried before."""
        return self.attempt > 1 or self.repaired

    @property
    def done_key(self) -> str:
        """The idempotency key under which this step acts, or acted before it came to be undone."""
        return f"{self.run_id}:{self.step}"

    @property
    def key(self) -> str:
        """The idempotency key of this very action, the same at every attempt."""
        return f"{self.done_key}:undo" if self.undo else self.done_key


@dataclass(frozen=True)
class Action:
    """Something that a step does, or undoes, for a whole cohort of runs."""

    name: str
    task: str
    queue: Queue
    retry: Backoff


@dataclass(frozen=True)
class DatabaseAction(Action):
    """Its effect and the step's "done" are one transaction."""

    perform: Callable[[Sequence[Call]], Refusals | None]
    time_limit: float


class GivenUp(msgspec.Struct, frozen=True):
    """A call that failed at its last attempt, and the error of that attempt."""

    call: Call
    error: Exception


class Answer(msgspec.Struct, Generic[In, Out], frozen=True):
    """How one network call ended: with a value, or refused."""

    call: Call
    loaded: In
    value: Out | None = None
    refused: Refused | None = None


@dataclass(frozen=True)
class NetworkAction(Action):
    """Talks to a server outside any transaction, under a lease; see `network_action`."""

    load: Callable[[Sequence[Call]], Mapping[UUID, Any]]
    call: Callable[[Call, Any], Coroutine[Any, Any, Any]]
    save: Callable[[Sequence[Answer[Any, Any]]], None]
    lease: float
    patience: float
    breaker: Breaker | None = None
    given_up: Callable[[Sequence[GivenUp]], None] | None = None
    settled: Callable[[Sequence[Call]], None] | None = None
