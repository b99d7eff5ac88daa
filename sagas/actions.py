"""What steps do. A service declares its actions in `steps.py`; each becomes a Celery task on the service's queue."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec
from celery import shared_task

from events import Backoff, DeclarationError, Queue, Refused
from events.breaker import Breaker, resolve
from events.ids import ids_of
from events.routing import assign

In = TypeVar("In")
Out = TypeVar("Out")
Refusals = Mapping[UUID, Refused]
"""What a batch action may return: the subjects that it refuses. The others are done."""

RETRY = Backoff(base=0.5, cap=30.0, attempts=5)


class Call(msgspec.Struct, frozen=True):
    """One run's turn in a batch."""

    run_id: UUID
    subject: UUID
    step: str
    undo: bool
    attempt: int
    reason_code: str
    reason: str
    given: Any = None
    skipped: frozenset[str] = frozenset()
    """To an undo: the steps of its run that a person has settled by hand."""

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
    """Something that a step does, or undoes, for a whole cohort of runs at once."""

    name: str
    task: str
    queue: Queue
    retry: Backoff


@dataclass(frozen=True)
class DatabaseAction(Action):
    """Its effect and the step's "done" are one transaction."""

    perform: Callable[[Sequence[Call]], Refusals | None]
    time_limit: float


class Answer(msgspec.Struct, Generic[In, Out], frozen=True):
    """How one network call ended: with a value, or refused."""

    call: Call
    given: In
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


def action(
    *, queue: Queue, retry: Backoff = RETRY, time_limit: float = 60.0
) -> Callable[[Callable[[Sequence[Call]], Refusals | None]], DatabaseAction]:
    """Database work for a batch of calls, inside one transaction, with a constant number of statements.

    Returns the refused subjects, if any. What raises is retried, at last alone; it must be safe to call for
    a subject on which it has nothing to do, since an undo may follow a step that never acted. What takes longer
    than `time_limit` seconds is cut off.
    """

    def declare(function: Callable[[Sequence[Call]], Refusals | None]) -> DatabaseAction:
        name, task = _names(function, queue)
        declared = DatabaseAction(name, task, queue, retry, function, time_limit)
        _as_task(declared, function.__doc__)
        return declared

    return declare


def network_action(
    *,
    queue: Queue,
    load: Callable[[Sequence[Call]], Mapping[UUID, In]],
    save: Callable[[Sequence[Answer[In, Out]]], None],
    retry: Backoff = RETRY,
    lease: float = 60.0,
    patience: float = 0.5,
    breaker: Breaker | str | None = None,
) -> Callable[[Callable[[Call, In], Coroutine[Any, Any, Out]]], NetworkAction]:
    """One network call per run, all of a cohort concurrently, each under its own idempotency key.

    `load` (in a transaction) says what each subject's call needs; a subject that it leaves out has nothing to
    do. The decorated coroutine makes the call and may raise Refused. `save` (in the transaction that
    marks the steps) takes the answers, refusals among them. Calls that take longer than `patience` seconds
    leave the cohort and finish by themselves; after `lease` seconds somebody else may try again.
    While the `breaker` (a declared one, or its name) is open, steps are postponed and no attempt is spent.
    """

    def declare(function: Callable[[Call, In], Coroutine[Any, Any, Out]]) -> NetworkAction:
        name, task = _names(function, queue)
        if lease <= patience:
            raise DeclarationError(f"{function.__module__}.{name}: the lease must be longer than the patience")
        known = resolve(breaker, f"{function.__module__}.{name}")
        declared = NetworkAction(name, task, queue, retry, load, function, save, lease, patience, known)
        _as_task(declared, function.__doc__)
        return declared

    return declare


def _names(function: Callable[..., Any], queue: Queue) -> tuple[str, str]:
    name = getattr(function, "__name__", "")
    place = f"{function.__module__}.{getattr(function, '__qualname__', function)}"
    if not name.isidentifier():
        raise DeclarationError(f"{place}: a step needs a name of its own: write a function, not a lambda")
    if not isinstance(queue, Queue):
        raise DeclarationError(f"{place}: queue={queue!r} is unknown; it must be one of {', '.join(map(str, Queue))}")
    return name, f"{function.__module__.partition('.')[0]}.{name}"


def _as_task(declared: Action, doc: str | None) -> None:
    def task(  # noqa: PLR0917  a message's arguments stand in a row
        saga: str, step: str, undo: bool, run_ids: list[str], settles: bool, alone: bool = False
    ) -> int:
        from sagas.cohorts import Cohort, work

        return work(Cohort(saga, step, undo, ids_of(run_ids), alone), settles=settles)

    task.__doc__ = doc
    assign(declared.task, declared.queue)
    # The header of a chord must keep its results, or the body never runs; single tasks are sent without.
    shared_task(name=declared.task, ignore_result=False)(task)
