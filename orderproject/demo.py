"""Sample orders through the REST API, as a shop would place them, and how each of them ends."""

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
PLENTY = 10
"""What is left of a product for it to be ordered, so that no order fails by chance."""


@dataclass(frozen=True)
class Sample:
    """What to order, and with which of the sandbox's tokens."""

    sku: str
    quantity: int
    token: str


@dataclass
class Placed:
    """A sample and what the API last said of its order."""

    sample: Sample
    order: dict[str, Any]

    @property
    def settled(self) -> bool:
        return bool(self.order["status"] != "pending")

    @property
    def seconds(self) -> float:
        """From placed to settled."""
        created, updated = (datetime.fromisoformat(self.order[name]) for name in ("createdAt", "updatedAt"))
        return (updated - created).total_seconds()

    @property
    def outcome(self) -> str:
        return str(self.order["cancelReason"] or self.order["status"])


class NothingToOrder(Exception):
    """The catalogue has nothing in stock: run `manage.py seed` first."""


def samples(count: int, in_stock: Sequence[str]) -> list[Sample]:
    """Mostly ordinary orders, and among them one for each way to fail, as far as `count` reaches."""
    special = [*(Sample(sku, 1, token) for token, sku in zip(SPECIAL, cycle(in_stock), strict=False))]
    special.append(Sample(SOLD_OUT, 1, USUAL))
    skus = cycle(in_stock)
    usual = [Sample(next(skus), 1 + number % 3, USUAL) for number in range(max(count - len(special), 0))]
    mixed = usual + special[:count]
    random.Random(count).shuffle(mixed)  # noqa: S311  the same mix every time  # nosec B311
    return mixed


@dataclass
class Demo:
    """Logs in, places the samples and follows them. Raises httpx.HTTPError where the API answers with an error."""

    url: str
    username: str
    password: str
    placed: list[Placed] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=f"{self.url.rstrip('/')}/api/v1/", timeout=30, trust_env=False)

    def log_in(self) -> None:
        login = {"username": self.username, "password": self.password}
        self.http.headers["Authorization"] = f"Bearer {self._post('auth/token/', login)['access']}"

    def place(self, count: int) -> Iterator[Placed]:
        """Each as soon as it is accepted."""
        products = self._get("products/?inStock=true")["results"]
        in_stock = [product["sku"] for product in products if product["available"] >= PLENTY]
        if not in_stock:
            raise NothingToOrder("the catalogue has nothing in stock: run `manage.py seed` first")
        for sample in samples(count, in_stock):
            order = {
                "currency": "EUR",
                "email": "ada@example.com",
                "paymentToken": sample.token,
                "shippingAddress": ADDRESS,
                "items": [{"sku": sample.sku, "quantity": sample.quantity}],
            }
            self.placed.append(Placed(sample, self._post("orders/", order, {"Idempotency-Key": str(uuid4())})))
            yield self.placed[-1]

    def follow(self, seconds: float) -> Iterator[list[Placed]]:
        """What has settled since the last look, until all have or the time is over."""
        deadline = time.monotonic() + seconds
        while self.open and time.monotonic() < deadline:
            yield self._look()
            time.sleep(POLL)

    @property
    def open(self) -> list[Placed]:
        return [placed for placed in self.placed if not placed.settled]

    def _look(self) -> list[Placed]:
        """The newest orders stand on the first pages."""
        before = {placed.order["id"]: placed for placed in self.open}
        missing, page = set(before), "orders/?limit=200"
        while missing and page:
            answer = self._get(page)
            for order in answer["results"]:
                if order["id"] in missing:
                    before[order["id"]].order = order
                    missing.discard(order["id"])
            page = answer["next"]
        return [placed for placed in before.values() if placed.settled]

    def _get(self, path: str) -> Any:
        return self.http.get(path).raise_for_status().json()

    def _post(self, path: str, body: object, headers: dict[str, str] | None = None) -> Any:
        return self.http.post(path, json=body, headers=headers).raise_for_status().json()


def outcomes(placed: Sequence[Placed]) -> Counter[str]:
    """How many ended how; a cancelled order counts by its reason."""
    return Counter(one.outcome for one in placed if one.settled)


def times(placed: Sequence[Placed]) -> tuple[float, float] | None:
    """Median and 99th percentile from placed to settled, in seconds."""
    seconds = sorted(one.seconds for one in placed if one.settled)
    if not seconds:
        return None
    return median(seconds), seconds[ceil(0.99 * len(seconds)) - 1]
