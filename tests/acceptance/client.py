"""A shop's own program: it speaks to the API and knows nothing else."""

from __future__ import annotations

import logging
from typing import Any
from uuid import uuid4

import httpx

from orderproject.models import User
from tests.acceptance.shop import ADDRESS

PASSWORD = "correct horse battery"


logging.getLogger("httpx").setLevel(logging.WARNING)


class Client:
    """Logged in as a customer of its own."""

    def __init__(self, url: str, user: User | None = None) -> None:
        if user is None:
            user = User.objects.create_user(f"customer-{uuid4().hex[:8]}", "c@example.com", PASSWORD)
        self.user = user
        self.http = httpx.Client(base_url=f"{url}/api/v1/", timeout=30)
        answer = self.http.post("auth/token/", json={"username": user.username, "password": PASSWORD})
        self.http.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access']}"

    def place(self, *items: tuple[str, int], pays: str = "tok_visa", key: str = "") -> httpx.Response:
        body = {
            "currency": "EUR",
            "email": "ada@example.com",
            "paymentToken": pays,
            "shippingAddress": ADDRESS,
            "items": [{"sku": sku, "quantity": quantity} for sku, quantity in items],
        }
        return self.http.post("orders/", json=body, headers={"Idempotency-Key": key or str(uuid4())})

    def order(self, order_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.http.get(f"orders/{order_id}/").raise_for_status().json()
        return answer
