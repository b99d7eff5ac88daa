"""What somebody with the broker's password can do: repeat work, and never make it up. Rows decide, for every task."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from inspect import signature
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from events.models import Delivery
from orderproject.celery import app
from sagas.definition import definitions
from sagas.models import SagaRun
from tests import stories

pytestmark = pytest.mark.django_db(transaction=True)
OURS = {"orders", "inventory", "payments", "notifications", "sagas", "events", "accounts"}
TASKS = sorted(name for name in app.tasks if name.partition(".")[0] in OURS)
FACTS = (
    "orders_order", "orders_orderline", "orders_shipment", "orders_return", "orders_dailysales",
    "inventory_product", "inventory_stock", "inventory_hold", "inventory_reservation",
    "payments_payment", "payments_refund", "notifications_notification", "notifications_webhookdelivery",
    "events_storedevent", "events_delivery", "events_attempt", "events_audit", "sagas_sagarun", "sagas_sagastep",
    "orderproject_user",
)  # fmt: skip


def facts() -> dict[str, list[str]]:
    with connection.cursor() as cursor:
        found = {}
        for table in FACTS:
            cursor.execute(f"SELECT one::text FROM {table} one ORDER BY 1")  # noqa: S608
            found[table] = [row for (row,) in cursor.fetchall()]
    return found


def forgeries(task: Any) -> Iterator[tuple[Any, ...]]:
    """Messages with the ids of real rows that ended, of other rows, and of none; and with the names of other work."""
    names = list(signature(task.run).parameters)
    if names[:2] == ["ids", "lease"]:
        ids = [*Delivery.objects.values_list("id", flat=True), 10**12]
        yield from ((ids, str(uuid4()), alone) for alone in (False, True))
    elif names[:2] == ["saga", "step"]:
        runs = [*map(str, SagaRun.objects.values_list("id", flat=True)), str(uuid4())]
        steps = [(saga.name, step) for saga in definitions() for step in saga.steps]
        for saga, step in [*steps, ("PlaceOrder", "no_such_step"), ("NoSuchSaga", "x")]:
            yield from ((saga, step, undo, runs, True) for undo in (False, True))
    elif names:
        yield ([*map(str, SagaRun.objects.values_list("id", flat=True)), str(uuid4())],)
    else:
        yield ()


@pytest.fixture
def _ended() -> None:
    """An order that was sold, one that was undone, a stuck one, and a dead letter: nobody waits for a message."""
    stories.shop()
    stories.confirmed()
    stories.capture_failed()
    order = stories.stuck()
    stories.settle_deliveries(order)
    Delivery.objects.exclude(state="done").update(state="done")
    stories.dead_delivery(stories.confirmed())


def test_all_kinds_are_tried() -> None:
    assert len(TASKS) > 30  # tests of the same process declare more, which are not tried
    assert {"sagas.decide", "payments.refund_payment", "accounts.forget_again"} <= set(TASKS)


@pytest.mark.usefixtures("_ended")
@pytest.mark.parametrize("name", TASKS)
def test_a_forged_message_changes_no_fact(name: str) -> None:
    before = facts()
    for arguments in forgeries(app.tasks[name]):
        with suppress(LookupError):  # the code has no such saga or step
            app.tasks[name](*arguments)
    assert facts() == before
