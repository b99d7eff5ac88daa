"""Those who append at once, take their positions early, commit late, and roll some back."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from uuid import UUID

from django.db import connection, transaction

from events.log.append import emit
from payments.events import PaymentVoided

EACH = 200


def started(order_ids: Sequence[UUID]) -> list[threading.Thread]:
    """One for each stream; it is done when EACH events are committed."""
    writers = [threading.Thread(target=_write, args=(order_id,)) for order_id in order_ids]
    for writer in writers:
        writer.start()
    return writers


def _write(order_id: UUID) -> None:
    """Some in batches; a transaction may last longer than many others."""
    written = 0
    while written < EACH:
        batch = min(random.choice([1, 1, 1, 5]), EACH - written)
        with transaction.atomic():
            emit([PaymentVoided(order_id=order_id)] * batch)
            time.sleep(random.choice([0, 0, 0.002, 0.02]))
            if random.random() < 0.1:
                transaction.set_rollback(True)
                batch = 0
        written += batch
    connection.close()
