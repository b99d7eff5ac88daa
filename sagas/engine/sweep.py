"""Finding runs that are late, whatever became of their messages."""

from __future__ import annotations

from events.db.query import execute
from sagas.engine import sql
from sagas.engine.cohorts import decide_late

BATCH = 500
ROUNDS = 20


def sweep() -> int:
    """Decides again for every run that is late; needs neither the broker's nor the result backend's memory.

    Any number of sweeps may run concurrently. Returns how many runs were late.
    """
    late = 0
    for _ in range(ROUNDS):
        ids = [run_id for (run_id,) in execute(sql.CLAIM_LATE, [BATCH])]
        decide_late(ids)
        late += len(ids)
        if len(ids) < BATCH:
            break
    return late
