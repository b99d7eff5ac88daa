"""Django's signals of models: sent for aggregates wherever somebody listens, and free where nobody does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.db.models.signals import ModelSignal, post_init, post_save, pre_init, pre_save
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from events.db.model_signals import loading_is_heard, saving_is_heard
from events.errors import Conflict
from events.log.aggregate import Aggregate, save_all
from events.log.verify import aggregates
from events.models import StoredEvent
from inventory.models import Reservation
from orders.models import Order, OrderLine
from tests.integration.api import client_of, place, product, user
from tests.integration.test_log import an_order

pytestmark = pytest.mark.django_db


@contextmanager
def listening(signal: ModelSignal, receiver: Callable[..., None], sender: Any = Order) -> Iterator[None]:
    signal.connect(receiver, sender=sender)
    try:
        yield
    finally:
        signal.disconnect(receiver, sender=sender)


class Ears:
    """What was heard, in order: (name of the signal, its arguments)."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []

    def pre(self, **given: Any) -> None:
        self.heard.append(("pre", {**given, "stored": Order.objects.filter(pk=given["instance"].pk).exists()}))

    def post(self, **given: Any) -> None:
        self.heard.append(("post", {**given, "stored": Order.objects.filter(pk=given["instance"].pk).exists()}))

    def values(self, name: str) -> list[tuple[str, Any]]:
        return [(kind, given.get(name)) for kind, given in self.heard]


@pytest.fixture
def ears() -> Iterator[Ears]:
    ears = Ears()
    with listening(pre_save, ears.pre), listening(post_save, ears.post):
        yield ears


def test_both_are_sent_with_what_django_sends(ears: Ears):
    order = an_order()
    order.save()
    assert [kind for kind, _ in ears.heard] == ["pre", "post"]
    (_, before), (_, after) = ears.heard
    usual = {"signal", "sender", "instance", "raw", "using", "update_fields", "stored"}
    assert before.keys() == usual
    assert after.keys() == usual | {"created"}
    for given in (before, after):
        assert given["sender"] is Order
        assert given["instance"] is order
        assert (given["raw"], given["using"], given["update_fields"]) == (False, "default", None)
    assert (before["stored"], after["stored"], after["created"]) == (False, True, True)


def test_a_change_is_not_created_and_names_its_fields(ears: Ears):
    order = an_order()
    order.save()
    ears.heard.clear()
    order.confirm()
    order.save(update_fields=["status"])
    assert ears.values("created") == [("pre", None), ("post", False)]
    assert ears.values("update_fields") == [("pre", frozenset({"status"})), ("post", frozenset({"status"}))]


def test_each_of_a_batch_is_heard_of(ears: Ears):
    old = an_order()
    old.save()
    ears.heard.clear()
    old.confirm()
    orders = [an_order(), old, an_order()]
    save_all(orders)
    assert [given["instance"] for _, given in ears.heard] == orders * 2
    assert ears.values("created")[3:] == [("post", True), ("post", False), ("post", True)]


def test_what_a_receiver_changes_and_records_before_is_written():
    def shout(instance: Order, **_: Any) -> None:
        instance.email = "changed@example.com"
        instance.confirm()

    order = an_order()
    with listening(pre_save, shout):
        order.save()
    stored = Order.objects.get(id=order.id)
    assert (stored.email, stored.status, stored.version) == ("changed@example.com", "confirmed", 2)
    assert list(types(order)) == ["order.created", "order.confirmed"]


def types(order: Order) -> Any:
    return StoredEvent.objects.filter(stream=order.stream).order_by("position").values_list("type", flat=True)


def test_a_receiver_may_save_it_again():
    def confirm(instance: Order, created: bool, **_: Any) -> None:
        if created:
            instance.confirm()
            instance.save()

    order = an_order()
    with listening(post_save, confirm):
        order.save()
    assert (order.version, order.recorded) == (2, ())
    assert Order.objects.get(id=order.id).version == 2
    assert list(types(order)) == ["order.created", "order.confirmed"]


@pytest.mark.parametrize("signal", [pre_save, post_save])
def test_a_receiver_that_raises_takes_everything_back(signal: ModelSignal):
    def refuse(instance: Order, **_: Any) -> None:
        raise RuntimeError("no")

    order = an_order()
    with listening(signal, refuse), pytest.raises(RuntimeError), transaction.atomic():
        order.save()
    assert not Order.objects.exists()
    assert not StoredEvent.objects.exists()
    assert (order.version, len(order.recorded), order._state.adding) == (0, 1, True)
    order.save()
    assert list(types(order)) == ["order.created"]


def test_who_loses_a_race_is_told_before_and_not_after(ears: Ears):
    order = an_order()
    order.save()
    late = Order.objects.get(id=order.id)
    order.confirm()
    order.save()
    ears.heard.clear()
    late.cancel("late")
    with pytest.raises(Conflict), transaction.atomic():
        late.save()
    assert [kind for kind, _ in ears.heard] == ["pre"]


def test_a_receiver_for_all_models_hears_of_aggregates_too():
    heard: list[Any] = []
    with listening(post_save, lambda sender, **_: heard.append(sender), sender=None):
        an_order().save()
    assert Order in heard


def test_who_listens_to_one_aggregate_costs_another_nothing(ears: Ears):
    assert saving_is_heard(Order)
    assert not saving_is_heard(Reservation)


def test_bulk_writes_send_none(ears: Ears):
    an_order().save()
    ears.heard.clear()
    Order.objects.unrecorded().update(email="b@example.com")
    Order.objects.unrecorded().bulk_update([Order.objects.get()], ["email"])
    Order.objects.unrecorded().bulk_create([an_order()])
    assert ears.heard == []


# --- Loading --------------------------------------------------------------------------------------------


def test_a_loaded_row_is_heard_of_where_somebody_listens():
    heard: list[Any] = []
    an_order().save()
    quiet = Order.objects.get()
    with (
        listening(pre_init, lambda sender, **_: heard.append(sender)),
        listening(post_init, lambda instance, **_: heard.append(instance)),
    ):
        loaded = Order.objects.get()
        with transaction.atomic():
            (locked,) = Order.locked([loaded.pk], "status")
    assert heard == [Order, loaded, Order, locked]
    assert locked.get_deferred_fields() >= {"email", "created_at"}
    assert locked.status == loaded.status
    assert not loaded._state.adding
    names = [field.attname for field in Order._meta.concrete_fields]
    assert [getattr(loaded, name) for name in names] == [getattr(quiet, name) for name in names]


# --- Free where nobody listens --------------------------------------------------------------------------


@pytest.mark.parametrize("model", [*aggregates(), OrderLine])
def test_no_installed_app_listens_to_every_model(model: type[Aggregate]):
    """It would make every save of a batch call it row by row, and placing an order take eight statements, not two."""
    assert not saving_is_heard(model)
    assert not loading_is_heard(model)


def test_a_batch_takes_no_more_statements_for_being_heard(ears: Ears):
    with CaptureQueriesContext(connection) as statements:
        save_all([an_order() for _ in range(20)])
    assert len(ears.heard) == 40
    assert len([one for one in statements.captured_queries if "INSERT" in one["sql"]]) == 3  # row, events, deliveries


# --- An order in one statement --------------------------------------------------------------------------


@pytest.fixture
def client() -> APIClient:
    product("MUG-RED", "9.90")
    product("TEAPOT", "34.50")
    return client_of(user())


@pytest.mark.parametrize("signal", [pre_save, post_save])
def test_a_placed_order_and_its_lines_are_heard_of(client: APIClient, signal: ModelSignal):
    heard: list[Any] = []

    def hear(instance: Any, **_: Any) -> None:
        heard.append(instance.pk if isinstance(instance, Order) else instance.sku)

    with listening(signal, hear, Order), listening(signal, hear, OrderLine):
        answer = place(client, ("TEAPOT", 2), ("MUG-RED", 1))
    assert answer.status_code == 201, answer.content
    assert heard == [UUID(answer.json()["id"]), "TEAPOT", "MUG-RED"]


@pytest.mark.parametrize("sender", [Order, OrderLine])
def test_listening_to_either_is_enough(client: APIClient, sender: Any):
    heard: list[Any] = []
    with listening(post_save, lambda instance, **_: heard.append(instance), sender):
        assert place(client, ("TEAPOT", 1)).status_code == 201
    assert [type(one) for one in heard] == [sender]
    assert OrderLine.objects.count() == 1
