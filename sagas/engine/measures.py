"""What is counted of runs and their steps; each is counted after the commit of its outcome."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial

from django.db import transaction

from events.metrics.declare import SECONDS, Counter, Histogram
from events.tracing.spans import recording
from sagas.definition import definitions
from sagas.plan import RunState

FAILED = ("retried", "failed", "stuck")
ENDS = (RunState.DONE, RunState.UNDONE, RunState.STUCK)


def _runs() -> list[tuple[str, ...]]:
    return [(saga.name, end.value) for saga in definitions() for end in ENDS]


def _failures() -> list[tuple[str, ...]]:
    return [(step, outcome) for saga in definitions() for step in saga.steps for outcome in FAILED]


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
    ("step", "outcome"), known=_failures,
)  # fmt: skip


def ended(rows: Iterable[tuple[str, str, float, str]]) -> None:
    """Runs that have ended: saga, state, seconds since their start, and trace context."""
    by_end: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
    for saga, state, seconds, trace in rows:
        by_end[saga, state].append((seconds, trace))
    for labels, ends in by_end.items():
        _observe_after_commit(RUN, labels, ends)


def performed(step: str, ends: Iterable[tuple[str, float, str]]) -> None:
    """One step of many runs: the state of each afterwards, the seconds that it took, and the run's trace context."""
    by_state: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for state, seconds, trace in ends:
        by_state[state].append((seconds, trace))
    for state, of_state in by_state.items():
        _observe_after_commit(STEP, (step, state), of_state)


def _observe_after_commit(histogram: Histogram, labels: tuple[str, ...], ends: Sequence[tuple[float, str]]) -> None:
    traces = [trace for _, trace in ends] if recording() else ()
    transaction.on_commit(partial(histogram.observe_all, [seconds for seconds, _ in ends], *labels, traces=traces))


def failed(step: str, states: Iterable[str]) -> None:
    """Attempts that raised, with the state of each step afterwards."""
    for state in states:
        outcome = state if state in {"failed", "stuck"} else "retried"
        transaction.on_commit(partial(FAILURES.add, 1, step, outcome))
