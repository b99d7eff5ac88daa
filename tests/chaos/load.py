"""Customers who place orders of every kind, cancel some, and do not give up: the same key until an answer comes."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from uuid import uuid4

import httpx

logging.getLogger("httpx").setLevel(logging.WARNING)
TOKENS = {
    "tok_visa": 84, "tok_declined": 4, "tok_insufficient_funds": 3, "tok_flaky": 3, "tok_capture_fails": 4,
    "tok_timeout": 2,
}  # fmt: skip
PRODUCTS = {f"CHAOS-{number}": 1_000_000 for number in range(18)} | {"CHAOS-RARE": 30, "CHAOS-NONE": 0}
"""What is on hand of each SKU before the first order."""
ADDRESS = {"name": "Ada", "line1": "1 Loop Road", "city": "Berlin", "postalCode": "10115", "country": "DE"}
PATIENCE = 90.0
"""Seconds for which a customer repeats a request."""


@dataclass
class Customers:
    """`count` of them, logged in as the stack's own customer."""

    url: str
    count: int = 4
    accepted: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=f"{self.url}/api/v1/", timeout=15)

    def log_in(self) -> None:
        """To be done anew before each round: a token is good for a quarter of an hour."""
        answer = self.http.post("auth/token/", json={"username": "customer", "password": "customer"})
        self.http.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access']}"

    def place(self, orders: int, chance: Random, seconds: float) -> None:
        """Spreads so many orders over so many seconds; returns when each has its answer."""
        seeds = [chance.randrange(2**32) for _ in range(self.count)]
        with ThreadPoolExecutor(self.count) as pool:
            list(pool.map(lambda seed: self._shop(orders // self.count, Random(seed), seconds), seeds))

    def buy(self) -> str:
        """One order with a good card, of something that is there; its id."""
        order_id = self._place({"sku": "CHAOS-0", "quantity": 1}, pays="tok_visa")
        self.accepted.append(order_id)
        return order_id

    def status(self, order_id: str) -> str:
        return str(self.http.get(f"orders/{order_id}/").raise_for_status().json()["status"])

    def _shop(self, orders: int, chance: Random, seconds: float) -> None:
        for _ in range(orders):
            order_id = self._place_one(chance)
            self.accepted.append(order_id)
            if chance.random() < 0.05:
                self._cancel(order_id)
            time.sleep(chance.random() * 2 * seconds / orders)

    def _place_one(self, chance: Random) -> str:
        items = [
            {"sku": sku, "quantity": chance.randint(1, 3)}
            for sku in chance.sample(list(PRODUCTS), chance.randint(1, 3))
        ]
        return self._place(*items, pays=chance.choices(list(TOKENS), list(TOKENS.values()))[0])

    def _place(self, *items: dict[str, object], pays: str) -> str:
        body = {
            "currency": "EUR",
            "email": "ada@example.com",
            "paymentToken": pays,
            "shippingAddress": ADDRESS,
            "items": items,
        }
        answer = self._until_answered("orders/", body, {"Idempotency-Key": str(uuid4())}, {201})
        return str(answer.json()["id"])

    def _cancel(self, order_id: str) -> None:
        self._until_answered(f"orders/{order_id}/cancel/", {"reason": "changed my mind"}, {}, {202, 409})

    def _until_answered(self, path: str, body: object, headers: dict[str, str], good: set[int]) -> httpx.Response:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                answer = self.http.post(path, json=body, headers=headers)
                problem = f"{answer.status_code} {answer.text[:300]}"
                if answer.status_code in good:
                    return answer
                if answer.status_code == 500 or answer.status_code in {400, 401, 404, 422}:
                    raise AssertionError(f"{path}: {problem}")
            except httpx.TransportError as error:
                problem = repr(error)
            if time.monotonic() > deadline:
                raise AssertionError(f"{path} got no answer: {problem}")
            time.sleep(0.2)
