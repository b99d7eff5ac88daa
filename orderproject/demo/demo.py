"""Places sample orders through the REST API and follows each to its outcome."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import cycle
from math import ceil
from statistics import median
from typing import Any
from uuid import uuid4

import httpx

USUAL = "tok_visa"
SPECIAL = ("tok_declined", "tok_insufficient_funds", "tok_flaky", "tok_capture_fails", "tok_timeout")
SOLD_OUT = "SAMOVAR"
ADDRESS = {"name": "Ada Lovelace", "line1": "12 Tea Street", "city": "Berlin", "postalCode": "10115", "country": "DE"}
POLL = 0.25
MIN_AVAILABLE = 10
"""The quantity that must be available of a product, so that no sample order fails by chance."""


@dataclass(frozen=True)
class Sample:
    """An order to place, with a card token of the sandbox."""

    sku: str
    quantity: int
    token: str


@dataclass
class Placed:
    """A sample and the last known state of its order."""

    sample: Sample
    order: dict[str, Any]

    @property
    def finished(self) -> bool:
        return bool(self.order["status"] != "pending")

    @property
    def seconds(self) -> float:
        """From placed to finished."""
        created, updated = (datetime.fromisoformat(self.order[name]) for name in ("createdAt", "updatedAt"))
        return (updated - created).total_seconds()

    @property
    def outcome(self) -> str:
        return str(self.order["cancelReason"] or self.order["status"])


class NothingToOrder(Exception):
    """No product is in stock. Run `manage.py seed` first."""


def samples(count: int, in_stock: Sequence[str]) -> list[Sample]:
    """`count` samples: one for each way to fail, as far as there is room, and ordinary orders for the rest."""
    special = [*(Sample(sku, 1, token) for token, sku in zip(SPECIAL, cycle(in_stock), strict=False))]
    special.append(Sample(SOLD_OUT, 1, USUAL))
    skus = cycle(in_stock)
    usual = [Sample(next(skus), 1 + number % 3, USUAL) for number in range(max(count - len(special), 0))]
    mixed = usual + special[:count]
    random.Random(count).shuffle(mixed)  # noqa: S311  the same order every time  # nosec B311
    return mixed


@dataclass
class Demo:
    """Logs in, places the samples and follows them. Raises httpx.HTTPError if the API returns an error."""

    url: str
    username: str
    password: str
    key: str = field(default_factory=lambda: str(uuid4()))
    """The orders' idempotency keys are this one and their number, so that a repeat with it places none again."""
    placed: list[Placed] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=f"{self.url.rstrip('/')}/api/v1/", timeout=30, trust_env=False)

    def log_in(self) -> None:
        login = {"username": self.username, "password": self.password}
        self.http.headers["Authorization"] = f"Bearer {self._post('auth/token/', login)['access']}"

    def place(self, count: int) -> Iterator[Placed]:
        """Places `count` orders; yields each as soon as it is accepted. Raises NothingToOrder."""
        products = self._get("products/?inStock=true")["results"]
        in_stock = [product["sku"] for product in products if product["available"] >= MIN_AVAILABLE]
        if not in_stock:
            raise NothingToOrder("no product is in stock: run `manage.py seed` first")
        for number, sample in enumerate(samples(count, in_stock), 1):
            order = {
                "currency": "EUR",
                "email": "ada@example.com",
                "paymentToken": sample.token,
                "shippingAddress": ADDRESS,
                "items": [{"sku": sample.sku, "quantity": sample.quantity}],
            }
            key = {"Idempotency-Key": f"{self.key}-{number}"}
            self.placed.append(Placed(sample, self._post("orders/", order, key)))
            yield self.placed[-1]

    def follow(self, seconds: float) -> Iterator[list[Placed]]:
        """Yields the orders that finished since the last poll, until all have finished or `seconds` have passed."""
        deadline = time.monotonic() + seconds
        while self.open and time.monotonic() < deadline:
            yield self._poll()
            time.sleep(POLL)

    @property
    def open(self) -> list[Placed]:
        return [placed for placed in self.placed if not placed.finished]

    def _poll(self) -> list[Placed]:
        """Reads the open orders page by page, newest first; returns those that finished."""
        before = {placed.order["id"]: placed for placed in self.open}
        missing, page = set(before), "orders/?limit=200"
        while missing and page:
            answer = self._get(page)
            for order in answer["results"]:
                if order["id"] in missing:
                    before[order["id"]].order = order
                    missing.discard(order["id"])
            page = answer["next"]
        return [placed for placed in before.values() if placed.finished]

    def _get(self, path: str) -> Any:
        return self.http.get(path).raise_for_status().json()

    def _post(self, path: str, body: object, headers: dict[str, str] | None = None) -> Any:
        return self.http.post(path, json=body, headers=headers).raise_for_status().json()


def outcomes(placed: Sequence[Placed]) -> Counter[str]:
    """The number of orders by outcome. Cancelled orders count by their reason."""
    return Counter(one.outcome for one in placed if one.finished)


def times(placed: Sequence[Placed]) -> tuple[float, float] | None:
    """Median and 99th percentile from placed to finished, in seconds."""
    seconds = sorted(one.seconds for one in placed if one.finished)
    if not seconds:
        return None
    return median(seconds), seconds[ceil(0.99 * len(seconds)) - 1]
