"""Sagas that have not ended, and the steps that they wait for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.core import Metric

from events.db.query import execute
from events.declare.queues import Queue
from orderproject.observability.families import gauge
from orderproject.observability.gauges import MOST
from sagas.definition import definition
from sagas.plan import StepState

# Plan: the partial indexes saga_wake and saga_stuck. A run that goes on always has a time to be looked at.
OPEN = """
SELECT saga, state, count(*), extract(epoch FROM clock_timestamp() - min(started_at))::float8 FROM (
    (SELECT saga, state, started_at FROM sagas_sagarun WHERE wake_at IS NOT NULL ORDER BY wake_at LIMIT %(most)s)
    UNION ALL
    (SELECT saga, state, started_at FROM sagas_sagarun WHERE state = 'stuck' LIMIT %(most)s)
) running GROUP BY saga, state
"""
MOST_RUNS = 10_000
"""Runs whose steps are read: those that are looked at soonest, so the oldest are among them."""

# Plan: saga_wake, then the primary key for each run.
STEPS = """
SELECT running.saga, step.name, step.state, count(*), extract(epoch FROM clock_timestamp() - min(step.begun_at))::float8
FROM (SELECT id, saga FROM sagas_sagarun WHERE wake_at IS NOT NULL ORDER BY wake_at LIMIT %s) running
CROSS JOIN LATERAL (
    SELECT name, state, begun_at FROM sagas_sagastep
    WHERE run_id = running.id AND state IN ('waiting', 'undoing') OFFSET 0) step
GROUP BY running.saga, step.name, step.state
"""


@dataclass(frozen=True)
class OpenStep:
    """Steps of one name that wait for their outcome. `oldest` is unknown for undos, which keep their step's begin."""

    name: str
    state: StepState
    number: int
    oldest: float | None
    queue: Queue | None


def open_steps() -> list[OpenStep]:
    return [
        OpenStep(name, StepState(state), number, None if state == StepState.UNDOING else oldest,
                 _queue(saga, name, undo=state == StepState.UNDOING))
        for saga, name, state, number, oldest in execute(STEPS, [MOST_RUNS])
    ]  # fmt: skip


def _queue(saga: str, name: str, *, undo: bool) -> Queue | None:
    """None for a step that the code no longer has."""
    try:
        return definition(saga).steps[name].action(undo=undo).queue
    except LookupError:
        return None


def sagas() -> Iterator[Metric]:
    rows = execute(OPEN, {"most": MOST})
    of = ["saga", "state"]
    yield gauge("sagas_open", "Sagas that have not ended.", of, [((saga, state), n) for saga, state, n, _ in rows])
    yield gauge(
        "sagas_oldest_seconds", "Age of the oldest saga that has not ended.", of,
        [((saga, state), age) for saga, state, _, age in rows],
    )  # fmt: skip
    steps: dict[tuple[str, ...], float] = {}
    for step in open_steps():
        labels = (step.name, step.state.value)
        steps[labels] = steps.get(labels, 0) + step.number
    yield gauge("sagas_steps_open", "Steps that wait for their outcome.", ["step", "state"], sorted(steps.items()))
