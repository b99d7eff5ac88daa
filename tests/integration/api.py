"""The API from outside, in a few words: what a test sends, and who sends it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from inventory.models import Product, Stock, Warehouse
from orderproject.accounts.auth import access_token
from orderproject.models import User

BASE = "/api/v1/"
ORDERS = f"{BASE}orders/"
ADDRESS = {"name": "Ada", "line1": "1 Loop Road", "city": "Berlin", "postalCode": "10115", "country": "DE"}


def user(name: str = "", *permissions: str, **fields: Any) -> User:
    """Without a password: hashing one takes long, and few tests log in."""
    made = User.objects.create_user(name or f"user-{uuid4().hex[:8]}", "u@example.com", **fields)
    for permission in permissions:
        label, _, codename = permission.partition(".")
        made.user_permissions.add(Permission.objects.get(content_type__app_label=label, codename=codename))
    return made


def client_of(caller: User | None) -> APIClient:
    """With an access token as a log-in would give it. Errors are answered, not raised."""
    client = APIClient(raise_request_exception=False)
    if caller:
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {access_token(caller)}")
    return client


def product(sku: str = "MUG-RED", price: str = "9.90", stock: int = 100, **fields: Any) -> Product:
    made = Product.objects.create(sku=sku, name=fields.pop("name", sku.title()), price=Decimal(price), **fields)
    warehouse, _ = Warehouse.objects.get_or_create(code="BER", defaults={"name": "Berlin"})
    Stock.objects.create(product=made, warehouse=warehouse, on_hand=stock)
    return made


def order(*items: tuple[str, int], **changes: Any) -> dict[str, Any]:
    """The body of an order."""
    return {
        "currency": "EUR",
        "email": "ada@example.com",
        "paymentToken": "tok_visa",
        "shippingAddress": ADDRESS,
        "items": [{"sku": sku, "quantity": quantity} for sku, quantity in items or [("MUG-RED", 2)]],
        **changes,
    }


def place(client: APIClient, *items: tuple[str, int], key: str = "", **changes: Any) -> Any:
    headers = {"Idempotency-Key": key or str(uuid4())}
    return client.post(ORDERS, order(*items, **changes), headers=headers)


def assert_problem(response: Any, status: int, code: str = "", pointer: str = "") -> dict[str, Any]:
    """An answer as RFC 9457 has it; returns it."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert response["X-Request-ID"]
    problem: dict[str, Any] = response.json()
    assert problem.keys() == {"type", "title", "status", "detail", "instance", "errors"}
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"].isascii()
    path = response.request["PATH_INFO"]
    assert problem["instance"] == path or not path.isprintable() or not path.isascii()
    if code:
        assert problem["type"] == code
    if pointer:
        assert pointer in [error["pointer"] for error in problem["errors"]], problem
    return problem
