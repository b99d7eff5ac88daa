"""Places orders in bulk requests of 500, each order with its own key and result."""

from bench.ours.shop import Load, Shop
from bench.scenarios.figures import of_run

CALL = 500


def run(shop: Shop, orders: int) -> dict[str, float]:
    """`accepted_per_second` counts orders, not calls."""
    return of_run(shop.run(Load(orders, clients=2, bulk=CALL)))
