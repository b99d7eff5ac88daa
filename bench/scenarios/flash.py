"""A flash sale: all orders want the same product, and the stock is too low."""

from bench.ours.shop import Load, Shop
from bench.scenarios.figures import beside, of_run

SHARE = 20
"""One of this many orders finds the product in stock."""


def stock(orders: int) -> int:
    return max(1, orders // SHARE)


def run(shop: Shop, orders: int) -> dict[str, float]:
    """Exactly the stock must be confirmed. `ratio` compares with as many orders spread over many products."""
    spread = shop.run(Load(orders))
    sold = stock(orders)
    rush = shop.run(Load(orders, kind="flash"), cancelled=orders - sold)
    confirmed = float(len(rush.times_ms))
    return {**of_run(rush), "confirmed": confirmed, "stock": float(sold), **beside(rush.per_second, spread.per_second)}
