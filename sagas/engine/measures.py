"""What is counted of runs and their steps; each is counted after the commit of its outcome."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import partial

from django.db import transaction

from events.metrics.declare import SECONDS, Counter, Histogram
from sagas.definition import definitions
from sagas.plan import RunState

ENDS = (RunState.DONE, RunState.UNDONE, RunState.STUCK)


def _runs() -> list[tuple[str, ...]]:
    return [(saga.name, end.value) for saga in definitions() for end in ENDS]


RUN = Histogram(
    "sagas_run_seconds", "Time from the start of a saga until it ended or got stuck, by the database's clock.",
    ("saga", "outcome"), (*SECONDS, 86_400.0), known=_runs,
)  # fmt: skip
STEP = Histogram(
    "sagas_step_seconds", "Time that performing or undoing a step took, for each saga; of a call, the call's time.",
    ("step", "outcome"),
)  # fmt: skip
FAILURES = Counter(
    "sagas_step_failures_total", "Attempts at a step that raised: it is retried, has failed, or its undo is stuck.",
    ("step", "outcome"),
)  # fmt: skip


def ended(rows: Iterable[tuple[str, str, float]]) -> None:
    """Runs that have ended: saga, state, and seconds since their start."""
    by_end: dict[tuple[str, str], list[float]] = defaultdict(list)
    for saga, state, seconds in rows:
        by_end[saga, state].append(seconds)
    for labels, values in by_end.items():
        transaction.on_commit(partial(RUN.observe_all, values, *labels))


def performed(step: str, ends: Iterable[tuple[str, float]]) -> None:
    """One step of many runs: the state of each afterwards, and the seconds that it took."""
    by_state: dict[str, list[float]] = defaultdict(list)
    for state, seconds in ends:
        by_state[state].append(seconds)
    for state, values in by_state.items():
        transaction.on_commit(partial(STEP.observe_all, values, step, state))


def failed(step: str, states: Iterable[str]) -> None:
    """Attempts that raised, with the state of each step afterwards."""
    for state in states:
        outcome = state if state in {"failed", "stuck"} else "retried"
        transaction.on_commit(partial(FAILURES.add, 1, step, outcome))
