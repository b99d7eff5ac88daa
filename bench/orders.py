"""The orders that the benchmark places, as JSON, and their products."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any
from uuid import uuid4

import msgspec

PLENTY = 50_000_000
"""The stock of products that must not run out."""
SPREAD = [f"BENCH-{number}" for number in range(50)]
WIDE = [f"BENCH-WIDE-{number}" for number in range(400)]
FLASH = "BENCH-FLASH"
LINES = 200
"""The number of lines of a large order."""
KINDS = ("spread", "flash", "large", "declined", "slow")
ADDRESS = {"name": "Ada", "line1": "1 Mill Lane", "city": "Berlin", "postalCode": "10115", "country": "DE"}


def bodies(kind: str, count: int, _: int = 0) -> Iterator[bytes]:
    """The bodies of single requests. The same kind and count give the same orders."""
    for one in _orders(kind, count):
        yield msgspec.json.encode(one)


def calls(kind: str, count: int, size: int) -> Iterator[bytes]:
    """The bodies of bulk requests with `size` orders each."""
    orders = [{**one, "idempotencyKey": str(uuid4())} for one in _orders(kind, count)]
    for first in range(0, count, size):
        yield msgspec.json.encode({"orders": orders[first : first + size]})


def _orders(kind: str, count: int) -> Iterator[dict[str, Any]]:
    chance = Random(f"{kind} {count}")
    for number in range(count):
        yield {
            "currency": "EUR",
            "email": "ada@example.com",
            "paymentToken": _token(kind, number),
            "shippingAddress": ADDRESS,
            "items": [{"sku": sku, "quantity": quantity} for sku, quantity in _items(kind, chance)],
        }


def _token(kind: str, number: int) -> str:
    if kind == "slow":
        return "tok_slow"  # only the benchmark's gateway knows this token
    return "tok_declined" if kind == "declined" and number % 2 else "tok_visa"


def _items(kind: str, chance: Random) -> list[tuple[str, int]]:
    if kind == "flash":
        return [(FLASH, 1)]
    if kind == "large":
        return [(sku, 1) for sku in chance.sample(WIDE, LINES)]
    first, second = chance.sample(SPREAD, 2)
    return [(first, 1), (second, 2)]
