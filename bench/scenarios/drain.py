"""Drains a backlog of orders that were placed while the relay was stopped."""

import signal
import time

from bench.ours.shop import Load, Shop
from bench.scenarios.figures import cpu_figures

CALL = 500
"""Orders per bulk request. It affects only how the backlog is created."""


def run(shop: Shop, orders: int) -> dict[str, float]:
    """`per_second` counts from the continuation of the relay until the last e-mail.

    Relay and workers are ready before. SIGSTOP pauses the relay, so no saga starts. The orders are placed through the
    bulk endpoint. The clock starts with SIGCONT.
    """
    relay = shop.processes["relay"]
    relay.signal(signal.SIGSTOP)
    try:
        placed = shop.place(Load(orders, clients=2, bulk=CALL))
    finally:
        used = shop.cpu_seconds()
        began = time.time()
        relay.signal(signal.SIGCONT)
    finished = shop.wait_until_finished()
    spent = {name: now - used[name] for name, now in shop.cpu_seconds().items()}
    shop.check_statuses()
    return {
        "per_second": orders / (finished - began),
        "placed_per_second": orders / (placed.ended - placed.began),
        **cpu_figures(spent, orders),
    }
