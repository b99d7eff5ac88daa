"""Cursors and their leases. The process that holds the lease publishes; one that lost it writes nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction

from events import Backoff
from events.db.query import execute
from events.delivery.failures import summary_of
from publishing import sql

LEASE: float = settings.STREAMS_LEASE
"""Seconds after which another process takes a cursor over, if its holder gave no sign."""
EVERY = LEASE / 5
"""Seconds between two renewals while nothing else moves the cursor."""
RETRY = Backoff(base=2, cap=600, attempts=20)
"""How a refused event is tried again; after the last attempt, some two hours later, its stream waits for a person."""


class LeaseLost(Exception):
    """Another process has taken the cursor over. Publish nothing more with it."""


@dataclass
class Held:
    """A cursor that this process holds, with what it remembers of the records behind the position."""

    id: int
    publisher: str
    slot: int
    slots: int
    backfill: bool
    position: int
    until: int | None
    lease: UUID
    confirmed: set[int] = field(default_factory=set)
    """What was confirmed of a batch whose rest failed: it is not published again."""
    tried: int = 0
    """The last position that this process has tried to publish: up to there, what is not confirmed is tried again."""
    not_before: float = 0.0
    """The time, by the monotonic clock, of the next attempt after a failure."""
    renewed: float = field(default_factory=time.monotonic)

    @property
    def of_slot(self) -> dict[str, int]:
        return {"slot": self.slot, "slots": self.slots}

    def renew(self) -> None:
        """Keeps the lease. Raises LeaseLost. Costs nothing if it was renewed a moment ago."""
        if time.monotonic() - self.renewed > EVERY:
            self._write(sql.RENEW, {})

    def move(self, position: int, refused: Mapping[str, tuple[int, Exception]]) -> None:
        """Moves behind what is published, and holds the streams of what was refused, in one transaction.

        Raises LeaseLost, and then has changed nothing.
        """
        with transaction.atomic():
            self._write(sql.MOVE, {"position": position})
            if refused:
                execute(
                    sql.HOLD,
                    {
                        "publisher": self.publisher,
                        "seconds": RETRY.delay(1),
                        "streams": list(refused),
                        "positions": [where for where, _ in refused.values()],
                        "errors": [summary_of(error) for _, error in refused.values()],
                    },
                )
        self.position = position
        self.confirmed.clear()

    def failed(self, error: Exception) -> None:
        """Notes why nothing could be published; the next attempt comes after a pause. Raises LeaseLost."""
        parameters = {"id": self.id, "lease": self.lease, "error": summary_of(error)}
        rows = execute(sql.FAILED, parameters)
        if not rows:
            raise LeaseLost
        self.not_before = time.monotonic() + min(0.5 * 2.0 ** min(rows[0][0], 6), 30.0)

    def finish(self) -> None:
        """Ends a backfill. Raises LeaseLost."""
        self._write(sql.FINISH, {})

    def note_unrouted(self, count: int) -> None:
        execute(sql.UNROUTED, {"id": self.id, "count": count})

    def release(self) -> None:
        execute(sql.RELEASE, {"id": self.id, "lease": self.lease})

    def check(self) -> None:
        """Raises LeaseLost unless the lease is still ours. Within a transaction, it then stays so."""
        self._write(sql.RENEW, {})

    def _write(self, statement: str, parameters: Mapping[str, object]) -> None:
        began = time.monotonic()
        if not execute(statement, {"id": self.id, "lease": self.lease, "seconds": LEASE, **parameters}):
            raise LeaseLost
        self.renewed = began


def claim(publisher: str) -> list[Held]:
    """Takes the cursors of a publisher that no process holds. Safe to call concurrently."""
    lease = uuid4()
    rows = execute(sql.CLAIM, {"publisher": publisher, "lease": lease, "seconds": LEASE})
    return [Held(id_, publisher, slot, slots, backfill, position, until, lease)
            for id_, slot, slots, backfill, position, until in rows]  # fmt: skip
