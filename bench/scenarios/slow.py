"""A gateway that takes 300 ms per call. It must not reduce the throughput or delay other work."""

from bench.ours.gateway import DELAY
from bench.ours.shop import Load, Run, Shop
from bench.scenarios.figures import beside, of_run


def run(shop: Shop, orders: int) -> dict[str, float]:
    """`ratio` compares with as many orders for which the same gateway answers immediately."""
    quick = shop.run(Load(orders))
    slow = _by_the_sandbox(shop, orders) if shop.gateway == "http" else shop.run(Load(orders, kind="slow"))
    return {**of_run(slow), **beside(slow.per_second, quick.per_second)}


def _by_the_sandbox(shop: Shop, orders: int) -> Run:
    shop.delay_gateway(int(DELAY * 1000))
    try:
        return shop.run(Load(orders))
    finally:
        shop.delay_gateway(0)
