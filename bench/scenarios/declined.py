"""Every second card is declined, so half of the sagas compensate."""

from bench.ours.shop import Load, Shop
from bench.scenarios.figures import beside, of_run


def run(shop: Shop, orders: int) -> dict[str, float]:
    """`ratio` compares with as many orders with valid cards."""
    good = shop.run(Load(orders))
    half = shop.run(Load(orders, kind="declined"), cancelled=orders // 2)
    return {**of_run(half), **beside(half.per_second, good.per_second)}
