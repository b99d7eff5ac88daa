"""Many open streams that follow all events, while orders are placed."""

import asyncio

from bench.ours.shop import Shop
from bench.sse_fanout import fan_out

STREAMS = 1000
RATE = 1.0
"""Orders per second."""


def run(shop: Shop, orders: int) -> dict[str, float]:
    """The latency from an event's timestamp until a client has read it, over all streams."""
    shop.expected["confirmed"] += orders
    figures = asyncio.run(fan_out(shop.at.url, STREAMS, orders, RATE, shop.processes["live"].pid or 0))
    shop.wait_until_finished()
    shop.check_statuses()
    if figures["fewest"] != figures["most"]:
        shop.problems.append(f"one stream got {figures['fewest']:g} events, another {figures['most']:g}")
    return figures
