"""A backlog: orders that were placed while the relay stood still."""

import signal
import time

from bench.ours.shop import Load, Shop
from bench.scenarios.figures import cpu_figures

CALL = 500
"""Orders in a call; it matters to how the backlog comes about, not to how it goes away."""


def run(shop: Shop, orders: int) -> dict[str, float]:
    """`per_second` counts from the moment at which the relay may go on to the last mail.

    Relay and workers are started and ready before. The relay is then stopped by SIGSTOP; with it stands everything,
    for nothing but the relay begins a saga. The orders come in through the bulk endpoint, and SIGCONT starts the clock.
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
