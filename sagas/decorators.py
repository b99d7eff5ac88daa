"""A service declares its actions in `steps.py`; each becomes a Celery task on the service's queue."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from celery import shared_task

from events import Backoff, DeclarationError, Queue
from events.breakers.breaker import Breaker, resolve
from events.declare.ids import ids_of
from events.declare.queues import check_queue
from events.declare.routing import assign
from sagas.engine.cohorts import perform
from sagas.engine.dispatch import Cohort
from sagas.values import Action, Answer, Call, DatabaseAction, GivenUp, NetworkAction, Refusals

In = TypeVar("In")
Out = TypeVar("Out")
RETRY = Backoff(base=0.5, cap=30.0, attempts=5)


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
    patience: float = 0.1,
    breaker: Breaker | str | None = None,
    given_up: Callable[[Sequence[GivenUp]], None] | None = None,
    settled: Callable[[Sequence[Call]], None] | None = None,
) -> Callable[[Callable[[Call, In], Coroutine[Any, Any, Out]]], NetworkAction]:
    """One network call per run, all of a cohort concurrently, each under its own idempotency key.

    `load` (in a transaction) says what each subject's call needs; a subject that it leaves out has nothing to
    do. The decorated coroutine makes the call and may raise Refused. `save` (in the transaction that
    marks the steps) takes the answers, refusals among them. Calls that take longer than `patience` seconds
    leave the cohort and finish by themselves; after `lease` seconds another worker may try again.
    While the `breaker` (a declared one, or its name) is open, steps are postponed and no attempt is spent.

    Both of these record what became of the step, in the transaction that marks it: `given_up` takes the calls that have
    no attempt left, `settled` those that an operator skipped because they were resolved by hand.
    """

    def declare(function: Callable[[Call, In], Coroutine[Any, Any, Out]]) -> NetworkAction:
        name, task = _names(function, queue)
        if lease <= patience:
            raise DeclarationError(f"{function.__module__}.{name}: the lease must be longer than the patience")
        known = resolve(breaker, f"{function.__module__}.{name}")
        declared = NetworkAction(
            name, task, queue, retry, load, function, save, lease, patience, known, given_up, settled
        )
        _as_task(declared, function.__doc__)
        return declared

    return declare


def _names(function: Callable[..., Any], queue: Queue) -> tuple[str, str]:
    name = getattr(function, "__name__", "")
    place = f"{function.__module__}.{getattr(function, '__qualname__', function)}"
    if not name.isidentifier():
        raise DeclarationError(f"{place}: a step needs a name of its own: write a function, not a lambda")
    check_queue(queue, place)
    return name, f"{function.__module__.partition('.')[0]}.{name}"


def _as_task(declared: Action, doc: str | None) -> None:
    assign(declared.task, declared.queue)
    as_task: Any = shared_task  # whose stubs do not know that a task takes its documentation as an option
    # The header of a chord must keep its results, or the body never runs; single tasks are sent without.
    # Flower is told of the steps, not of the messages that carry them: events.monitor.pieces.
    as_task(name=declared.task, ignore_result=False, send_events=False, __doc__=doc)(perform_step)


def perform_step(  # noqa: PLR0917  a message's arguments stand in a row
    saga: str, step: str, undo: bool, run_ids: list[str], decides: bool, alone: bool = False
) -> int:
    """The body of every step's task. Returns for how many runs it was asked."""
    return perform(Cohort(saga, step, undo, ids_of(run_ids), decides, alone))
