"""An order written in one statement is what the models, the kernel and the signal would have written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import connection, models
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from events import domain_event
from events.models import Delivery, StoredEvent
from orderproject.models import User
from orders.events import OrderCreated
from orders.models import IdempotentRequest, Order, OrderLine
from tests.integration.api import ORDERS, client_of, place, product, user

pytestmark = pytest.mark.django_db


@pytest.fixture
def customer() -> User:
    return user()


@pytest.fixture
def client(customer: User) -> APIClient:
    product("MUG-RED", "9.90")
    product("TEAPOT", "34.50")
    return client_of(customer)


@contextmanager
def listening(receiver: Callable[..., None]) -> Iterator[None]:
    domain_event.connect(receiver, sender=OrderCreated)
    try:
        yield
    finally:
        domain_event.disconnect(receiver, sender=OrderCreated)


OF_ITS_OWN = {
    "Order": {"id", "number", "created_at", "updated_at"},
    "OrderLine": {"id", "order_id"},
    "StoredEvent": {"position", "event_id", "stream", "correlation_id", "traceparent", "time"},
    "Delivery": {"id", "event_id", "due_at", "created_at"},
    "IdempotentRequest": {"id", "key", "headers", "body", "created_at"},
}
"""The columns in which no two orders are the same."""


def written(order_id: UUID) -> list[tuple[str, str, Any]]:
    """Every column of every row of an order; of those of its own, the type."""
    event = StoredEvent.objects.get(stream=f"order:{order_id}")
    rows: list[models.Model] = [
        Order.objects.get(id=order_id),
        *OrderLine.objects.filter(order_id=order_id).order_by("position"),
        event,
        *Delivery.objects.filter(event=event).order_by("subscriber"),
        IdempotentRequest.objects.get(headers__Location=f"{ORDERS}{order_id}/"),
    ]
    return [column for row in rows for column in columns(row)]


def columns(row: models.Model) -> Iterator[tuple[str, str, Any]]:
    kind = type(row).__name__
    for field in row._meta.concrete_fields:
        value = getattr(row, field.attname)
        if isinstance(value, dict):
            value = {name: inner for name, inner in value.items() if name != "orderId"}
        if isinstance(value, memoryview):
            value = bytes(value)
        yield kind, field.attname, type(value) if field.attname in OF_ITS_OWN[kind] else value


def placed(client: APIClient) -> tuple[UUID, int]:
    """The order's id, and how many statements it took."""
    with CaptureQueriesContext(connection) as statements:
        answer = place(client, ("TEAPOT", 2), ("MUG-RED", 1))
    assert answer.status_code == 201, answer.content
    return UUID(answer.json()["id"]), len(statements)


def test_both_ways_write_the_same_rows(client: APIClient) -> None:
    at_once, few = placed(client)
    told: list[Any] = []
    with listening(lambda recorded, **_: told.extend(recorded)):
        one_by_one, many = placed(client)
    assert few == 2 < many
    assert written(at_once) == written(one_by_one)
    assert {kind for kind, _, _ in written(at_once)} == OF_ITS_OWN.keys()
    assert [one.event.order_id for one in told] == [one_by_one]
    call_command("verify_log")


def test_a_receiver_that_raises_takes_the_order_back(client: APIClient) -> None:
    def refuse(**_: object) -> None:
        raise RuntimeError("no")

    with listening(refuse):
        assert place(client).status_code == 500
    for model in (Order, OrderLine, StoredEvent, Delivery, IdempotentRequest):
        assert not model._default_manager.exists()
