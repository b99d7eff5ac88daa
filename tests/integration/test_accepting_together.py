"""Orders that come at the same instant are written by one statement, and each is answered as if it had come alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import DataError, connection, connections
from django.test.utils import CaptureQueriesContext
from msgspec.structs import replace

from events import Refused
from events.log.context import Context
from events.models import Delivery, StoredEvent
from orderproject.models import User
from orders.api import serializers as wire
from orders.models import IdempotentRequest, Order
from orders.placing import accepting
from orders.placing.accepting import Asked
from orders.placing.group_commit import GroupCommit
from orders.placing.idempotency import Answer, InProgress, Once
from tests.integration.api import client_of, order, place, product, user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def customer() -> User:
    product("MUG-RED", "9.90")
    product("TEAPOT", "34.50")
    return user()


def asked(customer: User, *items: tuple[str, int], key: str = "", request: str = "") -> Asked:
    new = wire.NewOrder.of(order(*items))
    once = Once.under(key or str(uuid4()), customer.id, "POST /", request.encode())
    return Asked(once, new, Context(correlation_id=request, actor=customer.username))


def test_any_number_costs_two_statements(customer: User) -> None:
    for count in (1, 2, 30):
        with CaptureQueriesContext(connection) as statements:
            answers = accepting._accept_group([asked(customer) for _ in range(count)])
        assert [answer.status for answer in answers if isinstance(answer, Answer)] == [201] * count
        assert len(statements) == 2
    assert Order.objects.count() == StoredEvent.objects.count() == 33
    assert Delivery.objects.count() % 33 == 0 < Delivery.objects.count()
    call_command("verify_log")


def test_each_event_has_the_context_of_its_own_request(customer: User) -> None:
    other = user()
    ones = [asked(one, request=f"request {number}") for number, one in enumerate([customer, other, customer])]
    accepting._accept_group(ones)
    for one in ones:
        event = StoredEvent.objects.get(correlation_id=one.context.correlation_id)
        assert event.actor == one.context.actor
        assert Order.objects.get(id=event.data["orderId"]).customer_id == one.once.caller


def test_what_is_refused_stands_between_what_is_accepted(customer: User) -> None:
    ones = [asked(customer), asked(customer, ("NO-SUCH", 1)), asked(customer, ("TEAPOT", 1), ("MUG-RED", 3))]
    first, refused, last = accepting._accept_group(ones)
    assert isinstance(first, Answer)
    assert isinstance(last, Answer)
    assert isinstance(refused, Refused)
    assert [b'"MUG-RED"' in answer.body for answer in (first, last)] == [True, True]
    assert [b'"TEAPOT"' in answer.body for answer in (first, last)] == [False, True]
    assert not IdempotentRequest.objects.filter(key=ones[1].once.key).exists()


def test_what_was_answered_before_is_not_written_again(customer: User) -> None:
    again = asked(customer, key="k")
    accepting._accept_group([again])
    outcomes = accepting._accept_group([asked(customer), again, asked(customer)])
    assert [type(outcome) for outcome in outcomes] == [Answer, InProgress, Answer]
    assert Order.objects.count() == 3


def test_the_same_key_twice_in_a_batch_makes_one_order(customer: User) -> None:
    twin = asked(customer, key="k")
    outcomes = accepting._accept_group([twin, Asked(twin.once, twin.new, twin.context)])
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Answer", "InProgress"]
    assert Order.objects.count() == 1


def test_the_same_key_of_two_callers_makes_two(customer: User) -> None:
    outcomes = accepting._accept_group([asked(customer, key="k"), asked(user(), key="k")])
    assert [type(outcome) for outcome in outcomes] == [Answer, Answer]
    assert Order.objects.count() == 2


def test_one_that_cannot_be_stored_takes_nobody_along(customer: User) -> None:
    too_long = asked(customer)
    too_long = Asked(too_long.once, replace(too_long.new, email="a" * 300), too_long.context)
    with pytest.raises(DataError):
        accepting._accept_group([asked(customer), too_long])
    assert Order.objects.count() == 0

    outcomes = at_once([asked(customer), too_long, asked(customer)], accepting._accept_group)
    assert Counter(type(outcome) for outcome in outcomes) == {Answer: 2, DataError: 1}
    assert Order.objects.count() == 2


def at_once(ones: Sequence[Asked], work: Callable[[Sequence[Asked]], Sequence[Any]]) -> list[Any]:
    together = GroupCommit(work)

    def ask(one: Asked) -> Any:
        try:
            return together(one)
        except DataError as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(ones)) as pool:
        return list(pool.map(ask, ones))


def test_over_http_a_crowd_gets_an_order_each(customer: User, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def watched(ones: Sequence[Asked]) -> Any:
        sizes.append(len(ones))
        return accepting._accept_group(ones)

    monkeypatch.setattr(accepting, "_group_commit", GroupCommit(watched))
    clients = [client_of(customer) for _ in range(8)]

    def shoot(number: int) -> list[Any]:
        try:
            return [place(clients[number], ("MUG-RED", 1 + number), key=f"{number} {turn}") for turn in range(5)]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(shoot, range(8)))

    for number, ones in enumerate(answers):
        assert [answer.status_code for answer in ones] == [201] * 5
        assert {answer.json()["items"][0]["quantity"] for answer in ones} == {1 + number}
    assert Order.objects.count() == sum(sizes) == 40
    assert len(sizes) < 40, "nobody went together"
    call_command("verify_log")
