"""Ten orders per second: measures the latency under light load."""

from bench.ours.shop import Load, Shop
from bench.scenarios.figures import cpu_figures, times

RATE = 10.0
WARM_UP = 20


def run(shop: Shop, orders: int) -> dict[str, float]:
    """Milliseconds from placed to confirmed, from the times in the rows, after a warm-up."""
    shop.run(Load(WARM_UP, clients=2, rate=RATE))
    found = shop.run(Load(orders, clients=2, rate=RATE))
    return {**times(found.times_ms), **cpu_figures(found.cpu, orders)}
