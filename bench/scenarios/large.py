"""Orders with 200 lines."""

from bench.orders import LINES
from bench.ours.shop import Load, Shop
from bench.scenarios.figures import beside, of_run

USUAL = 2
"""The lines of an ordinary order."""


def run(shop: Shop, orders: int) -> dict[str, float]:
    """`ratio` compares lines per second with orders of two lines."""
    spread = shop.run(Load(orders * 4))
    large = shop.run(Load(orders, kind="large"))
    lines = large.per_second * LINES
    return {**of_run(large), "lines_per_second": lines, **beside(lines, spread.per_second * USUAL)}
