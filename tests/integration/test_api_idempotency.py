"""One key, one order: whatever is sent again, at whatever moment."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, connections, transaction
from rest_framework.test import APIClient

from events import domain_event
from events.db import valkey
from inventory.models import Product
from orderproject.models import User
from orders.events import OrderCreated
from orders.models import IdempotentRequest, Order
from tests.integration.api import ORDERS, assert_problem, client_of, order, place, product, user

pytestmark = pytest.mark.django_db


@pytest.fixture
def customer() -> User:
    return user()


@pytest.fixture
def client(customer: User) -> APIClient:
    product()
    return client_of(customer)


def test_the_same_again_is_answered_byte_for_byte(client: APIClient) -> None:
    first = place(client, key="k")
    Product.objects.update(price="11.00")
    again = place(client, key="k")
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert {name: again[name] for name in ("Location", "ETag", "Content-Type")} == {
        name: first[name] for name in ("Location", "ETag", "Content-Type")
    }
    assert again["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first
    assert Order.objects.count() == 1


def test_the_same_again_is_answered_though_the_catalogue_is_another_one(client: APIClient) -> None:
    first = place(client, key="k")
    Product.objects.update(active=False)
    again = place(client, key="k")
    assert (again.status_code, again.content, again["Idempotency-Replayed"]) == (201, first.content, "true")
    assert_problem(place(client, ("MUG-RED", 3), key="k"), 422, "idempotency-key-reused")


def test_another_body_is_refused(client: APIClient) -> None:
    place(client, key="k")
    assert_problem(place(client, ("MUG-RED", 3), key="k"), 422, "idempotency-key-reused")
    assert Order.objects.count() == 1


def test_keys_of_two_callers_have_nothing_to_do_with_each_other(client: APIClient) -> None:
    mine, other = place(client, key="k"), place(client_of(user()), key="k")
    assert mine.status_code == other.status_code == 201
    assert Order.objects.count() == 2


def test_what_was_refused_may_be_tried_again(client: APIClient) -> None:
    assert place(client, ("LATER", 1), key="k").status_code == 422
    product("LATER")
    assert place(client, ("LATER", 1), key="k").status_code == 201


def test_a_key_that_is_too_long_is_not_called_missing(client: APIClient) -> None:
    problem = assert_problem(place(client, key="k" * 256), 400, "idempotency-key-invalid")
    assert "1 to 255 characters" in problem["detail"]


@pytest.mark.parametrize("key", [None, ""])
def test_a_key_is_needed(client: APIClient, key: str | None) -> None:
    headers = {} if key is None else {"Idempotency-Key": key}
    assert_problem(client.post(ORDERS, order(), headers=headers), 400, "idempotency-key-missing")


@pytest.mark.parametrize("key", ["k" * 255, "ä", "' OR 1=1 --", "%s"])
def test_any_other_key_will_do(client: APIClient, key: str) -> None:
    assert place(client, key=key).status_code == 201
    assert place(client, key=key)["Idempotency-Replayed"] == "true"


@pytest.fixture
def somebody_listens() -> Iterator[None]:
    """So an order is placed in several statements, with the signal between them."""

    def listen(**_: Any) -> None:
        """Has nothing to do."""

    domain_event.connect(listen, sender=OrderCreated)
    yield
    domain_event.disconnect(listen, sender=OrderCreated)


@pytest.fixture
def valkey_away(settings: Any) -> Iterator[None]:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    valkey.client.cache_clear()
    yield
    valkey.client.cache_clear()


@pytest.mark.usefixtures("valkey_away")
@pytest.mark.django_db(transaction=True)
def test_valkey_is_not_needed(client: APIClient) -> None:
    assert place(client, key="k").status_code == 201
    assert place(client, key="k")["Idempotency-Replayed"] == "true"


@pytest.mark.django_db(transaction=True)
def test_of_twenty_at_once_one_order_comes(customer: User, client: APIClient) -> None:
    barrier = Barrier(20)

    def shoot(_: int) -> Any:
        try:
            barrier.wait(10)
            return place(client_of(customer), key="k")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(shoot, range(20)))

    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {201, 409}
    assert statuses[201] >= 1
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    for refused in (answer for answer in answers if answer.status_code == 409):
        assert_problem(refused, 409, "request-in-progress")
        assert int(refused["Retry-After"]) > 0
    assert Order.objects.count() == IdempotentRequest.objects.count() == 1
    assert place(client_of(customer), key="k")["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("sku", ["MUG-RED", "NO-SUCH"])
@pytest.mark.django_db(transaction=True)
def test_while_the_first_is_worked_on_there_is_a_409(customer: User, client: APIClient, sku: str) -> None:
    def shoot() -> Any:
        try:
            return place(client_of(customer), (sku, 2), key="k")
        finally:
            connections.close_all()

    with transaction.atomic(), ThreadPoolExecutor(1) as pool:
        assert place(client, key="k").status_code == 201
        assert_problem(pool.submit(shoot).result(), 409, "request-in-progress")


@pytest.mark.usefixtures("somebody_listens")
@pytest.mark.django_db(transaction=True)
def test_an_answer_stored_between_snapshot_and_lock_is_found(customer: User, client: APIClient) -> None:
    """The claim's snapshot is older than its lock: the row is not seen, and the unique constraint decides."""
    first = place(client, key="k")
    blind: list[bool] = []

    def look_away(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "pg_try_advisory_xact_lock" in sql and not blind:
            blind.append(True)
            params = [params[0], uuid4(), params[2]]
        return execute(sql, params, many, context)

    with connection.execute_wrapper(look_away):
        again = place(client, key="k")
    assert blind
    assert (again.status_code, again.content) == (201, first.content)
    assert again["Idempotency-Replayed"] == "true"
    assert Order.objects.count() == 1
