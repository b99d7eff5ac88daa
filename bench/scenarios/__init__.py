"""What is measured on our stack: each scenario by its name, with its sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Size(NamedTuple):
    """How many orders, in a run and in a quick one."""

    full: int
    quick: int


SIZES = {
    "storm": Size(6000, 1000),
    "drain": Size(20_000, 3000),
    "light": Size(600, 60),
    "flash": Size(10_000, 1500),
    "large": Size(600, 60),
    "declined": Size(6000, 1000),
    "slow": Size(6000, 1000),
    "bulk": Size(20_000, 3000),
    "sse": Size(30, 10),
    **dict.fromkeys(("growth-1000", "growth-1000000", "growth-5000000"), Size(6000, 1000)),
}


def past_of(scenario: str) -> int:
    """How many orders there are before it begins."""
    name, _, number = scenario.partition("-")
    return int(number) if name == "growth" else 0


def flash_stock(wanted: Sequence[tuple[str, int]]) -> int:
    """How much there is of the product that runs out, where these scenarios run on one stack."""
    from bench.scenarios import flash

    return sum(flash.stock(orders) for name, orders in wanted if name == "flash") or 1
