"""The scenarios of our stack by name, with their sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Size(NamedTuple):
    """The numbers of orders in a full run and in a quick run."""

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
    """The number of stored orders before the scenario starts."""
    name, _, number = scenario.partition("-")
    return int(number) if name == "growth" else 0


def flash_stock(wanted: Sequence[tuple[str, int]]) -> int:
    """The stock of the scarce product when these scenarios run on one stack."""
    from bench.scenarios import flash

    return sum(flash.stock(orders) for name, orders in wanted if name == "flash") or 1
