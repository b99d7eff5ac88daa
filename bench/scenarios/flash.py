"""A flash sale: everybody wants the same product, and there is not enough of it."""

from bench.ours.shop import Load, Shop
from bench.scenarios.figures import beside, of_run

SHARE = 20
"""One of so many orders finds the product in stock."""


def stock(orders: int) -> int:
    return max(1, orders // SHARE)


def run(shop: Shop, orders: int) -> dict[str, float]:
    """Exactly as many orders are confirmed as there were pieces; `ratio` is against as many orders spread out."""
    spread = shop.run(Load(orders))
    sold = stock(orders)
    rush = shop.run(Load(orders, kind="flash"), cancelled=orders - sold)
    confirmed = float(len(rush.times_ms))
    return {**of_run(rush), "confirmed": confirmed, "stock": float(sold), **beside(rush.per_second, spread.per_second)}
