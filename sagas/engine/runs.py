"""The rows of runs: locked and read for a decision, and written when it is made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog

from events.db.query import execute
from sagas.definition import definition
from sagas.engine import measures, sql
from sagas.engine.decide import Changes, OpenStep, Run
from sagas.plan import StepState

log = structlog.get_logger(__name__)

Locked = Sequence[tuple[Any, ...]]
"""What `lock` said of runs."""
BEGUN = ("ids", "names", "deadlines")
FINISHED = ("finished", "ends")


def lock(run_ids: Sequence[UUID]) -> Locked:
    """Locks those that are not over, for this transaction. Runs are locked before their steps."""
    return execute(sql.LOCK_RUNS, [list(run_ids)])


def read(run_ids: Sequence[UUID]) -> list[Run]:
    """Locks these runs for this transaction, and reads where they stand."""
    rows = lock(run_ids)
    return known(rows, dict(execute(sql.STEPS, [[row[0] for row in rows]]))) if rows else []


def known(rows: Locked, steps: Mapping[UUID, str | None]) -> list[Run]:
    """The runs of these locked rows whose `steps` are known. One whose saga the code no longer has stays as it is."""
    runs = []
    for run_id, saga, state, aborted in rows:
        if run_id not in steps:
            continue
        try:
            runs.append(Run(run_id, definition(saga), state, aborted, steps[run_id] or ""))
        except LookupError as error:
            log.warning("run cannot go on without its code", run=str(run_id), error=str(error))
    return runs


def open_steps(run_ids: Sequence[UUID]) -> Mapping[UUID, Sequence[OpenStep]]:
    """The steps of these runs that wait for their outcome."""
    found: dict[UUID, list[OpenStep]] = defaultdict(list)
    for run_id, *columns in execute(sql.OPEN_STEPS, [list(run_ids)]):
        found[run_id].append(OpenStep(*columns))
    return found


def write(changes: Changes) -> None:
    """Writes all of it with a constant number of statements, in the transaction that has locked the runs."""
    if changes.turning:
        _write_performed(changes)  # what has just said no is among the rows then
        _write(sql.TURN_BACK, ("ids", "codes", "reasons"), _reasons(changes.turning))
    _write(sql.BEGIN, BEGUN, changes.begun)
    _write(sql.BEGIN_UNDO, BEGUN, changes.undone)
    _write(sql.SEND_AGAIN, BEGUN, changes.again)
    _write(sql.WAKE_AT, ("ids", "times"), changes.wake)
    if changes.performed and changes.finished:
        both = _performed_columns(changes) | _columns(FINISHED, changes.finished)
        measures.ended(execute(sql.PERFORMED_AND_FINISH, both))
        return
    _write_performed(changes)
    measures.ended(_write(sql.FINISH, FINISHED, changes.finished))


def _write_performed(changes: Changes) -> None:
    if changes.performed:
        execute(sql.PERFORMED, _performed_columns(changes))
        changes.performed = []


def _performed_columns(changes: Changes) -> dict[str, list[Any]]:
    rows = [(one.run_id, one.step, one.state.value, one.code, one.error) for one in changes.performed]
    return _columns(("ids", "names", "states", "codes", "errors"), rows)


def _reasons(run_ids: Sequence[UUID]) -> list[tuple[UUID, str, str]]:
    """Why each compensation begins, or cannot begin; a refusal counts before a failure.

    Customers read the text, so a failure, whose text comes from a program, has none.
    """
    said: dict[UUID, tuple[str, str]] = {}
    for run_id, name, state, code, text in execute(sql.SAID_NO, [list(run_ids)]):
        if state == StepState.REFUSED:
            said[run_id] = (code, text)
        else:
            said.setdefault(run_id, (f"{name}_failed", ""))
    return [(run_id, *said.get(run_id, ("", ""))) for run_id in run_ids]


def _write(statement: str, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return execute(statement, _columns(names, rows)) if rows else []


def _columns(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> dict[str, list[Any]]:
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
