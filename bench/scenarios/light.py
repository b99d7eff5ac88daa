"""Ten orders a second: how long one takes while the machine has little to do."""

from bench.ours.shop import Load, Shop
from bench.scenarios.figures import cpu_figures, times

RATE = 10.0
WARM_UP = 20


def run(shop: Shop, orders: int) -> dict[str, float]:
    """From placed to confirmed by the rows' own times, after a warm-up that does not count."""
    shop.run(Load(WARM_UP, clients=2, rate=RATE))
    found = shop.run(Load(orders, clients=2, rate=RATE))
    return {**times(found.times_ms), **cpu_figures(found.cpu, orders)}
