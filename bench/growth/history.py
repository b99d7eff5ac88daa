"""Computes the time, customer and ids of each stored order. Pure and deterministic in every process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from bench.growth.row_template import Article, RowTemplate
from orders.models import CROCKFORD

DAY = 86_400.0
ODD = 0x9E3779B97F4A7C15
"""Multiplication by an odd number permutes the numbers below a power of two, so each order gets a unique one."""
MASK = (1 << 64) - 1
PAIRS = [first + second for first in CROCKFORD for second in CROCKFORD]
EVENTS = 7
ORDERS_PER_CUSTOMER = 20
BLOCK = 500
"""The number of orders whose lines are written together."""


@dataclass(frozen=True)
class History:
    """`orders` spread evenly over the `days` before `until`. `retention` is the number of days kept, by table."""

    orders: int
    days: float
    until: datetime
    articles: tuple[Article, ...]
    retention: dict[str, float]

    def first_of(self, table: str) -> int:
        """The number of the first order that this table still has rows of."""
        kept = min(self.retention.get(table, self.days), self.days)
        return self.orders - int(self.orders * kept / self.days)

    def lines_of(self, table: str) -> Iterator[str]:
        """All lines of a table in the sequence of writing, in blocks of several orders."""
        texts: dict[tuple[Article, ...], str] = {}
        first = self.first_of(table)
        for start in range(first, self.orders, BLOCK):
            lines = []
            for number in range(start, min(start + BLOCK, self.orders)):
                articles = self.articles_of(number)
                text = texts.get(articles) or texts.setdefault(articles, RowTemplate(articles).text(table))
                lines.append(text % self.values(number))
            yield "".join(lines)

    def articles_of(self, number: int) -> tuple[Article, ...]:
        """Two articles, or one if there is only one."""
        mixed, count = number * ODD & MASK, len(self.articles)
        first = (mixed >> 40) % count
        if count == 1:
            return self.articles
        return self.articles[first], self.articles[(first + 1 + (mixed >> 20) % (count - 1)) % count]

    def values(self, number: int) -> dict[str, str | int]:
        """The values to fill into the row templates of an order."""
        mixed = number * ODD & MASK
        second = int(self._began + number * self._step)
        thousandths = mixed % 100
        milliseconds = second * 1000 + 100 + thousandths
        moment = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S")
        digits = "".join([PAIRS[mixed >> shift & 1023] for shift in (0, 10, 20, 30, 40)])
        customer = (mixed >> 7) % self._customers
        position = number * EVENTS
        return {
            "time": f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}",
            "tail": f"{0x8000 | mixed >> 48 & 0x3FFF:04x}-{mixed & 0xFFFFFFFFFFFF:012x}",
            "second": moment,
            "thousandths": f"{thousandths:02d}",
            "mixed": f"{mixed:016x}",
            "customer": f"{customer:08x}-0000-7000-8000-{customer:012x}",
            "number": f"{moment[2:4]}{moment[5:7]}{moment[8:10]}-{digits[:5]}-{digits[5:]}",
            "position0": position + 1,
            "position1": position + 2,
            "position2": position + 3,
            "position3": position + 4,
            "position4": position + 5,
            "position5": position + 6,
            "position6": position + 7,
        }

    @cached_property
    def _step(self) -> float:
        """The seconds between two orders."""
        return self.days * DAY / self.orders

    @cached_property
    def _began(self) -> float:
        return self.until.timestamp() - self.days * DAY

    @cached_property
    def _customers(self) -> int:
        return max(1, self.orders // ORDERS_PER_CUSTOMER)
