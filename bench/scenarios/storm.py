"""Orders over HTTP by concurrent clients, until the last one is confirmed and its mail is sent."""

from bench.ours.shop import Load, Shop
from bench.scenarios.figures import of_run


def run(shop: Shop, orders: int) -> dict[str, float]:
    """`per_second` counts from the first request to the last mail."""
    return of_run(shop.run(Load(orders)))
