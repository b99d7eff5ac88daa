"""Two copies of beat do no harm: whatever they send runs several times at once, and acts once."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.utils import timezone

from events.models import DeadMessage, DeadReason, Delivery, StoredEvent
from inventory.models import Product, Reservation, Stock, Warehouse
from inventory.services import hold
from inventory.tasks import release_expired_holds
from orderproject.celery import app
from sagas.models import SagaRun, SagaStep
from sagas.plan import RunState
from tests.integration import errands
from tests.integration.mail import Mail
from tests.integration.test_no_double_charge import at_once
from tests.integration.test_retention import LONG_AGO, deliveries, rung, saga
from tests.integration.test_sagas import all_late, run_all, wanted

pytestmark = pytest.mark.django_db(transaction=True)
COPIES = 3


def beats() -> None:
    """Everything that beat sends, by three of them at the same moment."""
    for entry in settings.CELERY_BEAT_SCHEDULE.values():
        at_once(*[app.tasks[entry["task"]] for _ in range(COPIES)])


def held_for_too_long(count: int) -> list[UUID]:
    product = Product.objects.create(sku="MUG-RED", name="Mug", price="10.00")
    warehouse = Warehouse.objects.create(code="W1", name="1", priority=1)
    Stock.objects.create(product=product, warehouse=warehouse, on_hand=count)
    orders = [uuid4() for _ in range(count)]
    hold({order: [("MUG-RED", 1)] for order in orders})
    Reservation.objects.unrecorded().update(expires_at=LONG_AGO)
    return orders


def test_expired_holds_are_released_once() -> None:
    orders = held_for_too_long(20)
    at_once(*[release_expired_holds] * COPIES)
    stock = Stock.objects.get()
    assert (stock.on_hand, stock.held) == (20, 0)
    released = StoredEvent.objects.filter(type="inventory.released").values_list("stream", flat=True)
    assert sorted(released) == sorted(f"inventory:{order}" for order in orders)


def test_late_sagas_are_asked_again_once(mail: Mail) -> None:
    errands.forget()
    ids = wanted(20)
    mail.purge()
    all_late()
    beats()
    sent = [args for task, args in mail.messages() if task == "tests.fetch"]
    assert sorted(run for args in sent for run in args[3]) == sorted(str(run.id) for run in SagaRun.objects.all())
    assert set(SagaStep.objects.values_list("unanswered", flat=True)) == {1}
    all_late()
    beats()
    run_all(mail)
    assert set(SagaRun.objects.values_list("state", flat=True)) == {"done"}
    assert sorted(id_ for name, id_ in errands.did if name == "fetch") == sorted(ids)


def test_what_is_over_is_forgotten_and_nothing_else() -> None:
    gone, kept = deliveries(rung(20, old=True), "done"), deliveries(rung(5, old=True), "dead")
    ended, stuck = saga(RunState.DONE), saga(RunState.STUCK, finished_at=None)
    DeadMessage.objects.create(
        queue="orders", reason=DeadReason.MALFORMED, headers="{}", properties="{}", body=b"", received_at=LONG_AGO,
        retried_at=timezone.now() - timedelta(days=100),
    )  # fmt: skip
    beats()
    assert not Delivery.objects.filter(id__in=[one.id for one in gone]).exists()
    assert Delivery.objects.filter(id__in=[one.id for one in kept]).count() == len(kept)
    assert list(SagaRun.objects.filter(id__in=[ended.id, stuck.id])) == [stuck]
    assert not DeadMessage.objects.exists()
