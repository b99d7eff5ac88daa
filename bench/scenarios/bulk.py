"""Orders in calls of 500, each order under its own key and with its own result."""

from bench.ours.shop import Load, Shop
from bench.scenarios.figures import of_run

CALL = 500


def run(shop: Shop, orders: int) -> dict[str, float]:
    """`accepted_per_second` counts orders, not calls."""
    return of_run(shop.run(Load(orders, clients=2, bulk=CALL)))
