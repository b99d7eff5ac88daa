"""Concurrent clients place orders over HTTP until the last one is confirmed and its e-mail sent."""

from bench.ours.shop import Load, Shop
from bench.scenarios.figures import of_run


def run(shop: Shop, orders: int) -> dict[str, float]:
    """`per_second` counts from the first request until the last e-mail."""
    return of_run(shop.run(Load(orders)))
