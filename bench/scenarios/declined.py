"""Every second card is declined: what was held is undone, at speed."""

from bench.ours.shop import Load, Shop
from bench.scenarios.figures import beside, of_run


def run(shop: Shop, orders: int) -> dict[str, float]:
    """`ratio` is against as many orders with good cards."""
    good = shop.run(Load(orders))
    half = shop.run(Load(orders, kind="declined"), cancelled=orders // 2)
    return {**of_run(half), **beside(half.per_second, good.per_second)}
