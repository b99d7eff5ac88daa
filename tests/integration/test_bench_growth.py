"""The past that the benchmark loads is what our own code would have left: every check of the tests holds for it."""

import pytest
from django.db import connection

from bench.growth import load
from events.log.verify import differences
from events.models import Delivery, StoredEvent
from events.replay import replays
from events.replay.runner import continue_replay
from orders.models import DailySales, Order
from sagas.models import SagaRun
from tests.integration import api
from tests.reconcile.goods import goods
from tests.reconcile.history import history
from tests.reconcile.work import work

pytestmark = pytest.mark.django_db(transaction=True)
ORDERS = 50
ON_HAND = 100
SKUS = ("MUG-RED", "TEAPOT", "SPOON")


@pytest.fixture
def url() -> str:
    at = connection.settings_dict
    for sku in SKUS:
        api.product(sku, stock=ON_HAND)
    return f"postgres://{at['USER']}:{at['PASSWORD']}@{at['HOST']}:{at['PORT']}/{at['NAME']}"


def test_a_loaded_past_adds_up(url: str):
    loaded = load(url, ORDERS, days=10, processes=1)

    assert Order.objects.filter(status="confirmed").count() == ORDERS
    assert sum(loaded.sold.values()) == 3 * ORDERS
    assert list(differences()) == []
    stocked = {sku: ON_HAND + loaded.sold[sku] for sku in SKUS}
    assert [*work(), *history(), *goods(stocked)] == []
    told = StoredEvent.objects.order_by("position").values_list("event_id", "time")
    assert [*told] == sorted(told), "the log is in the order of time"


def test_what_is_old_is_forgotten_as_production_forgets_it(url: str):
    load(url, ORDERS, days=300, processes=1)

    assert StoredEvent.objects.count() == 7 * ORDERS
    assert Delivery.objects.values("event").distinct().count() == 2 * ORDERS // 10
    assert SagaRun.objects.count() == ORDERS * 3 // 10
    assert list(differences()) == []


def test_life_goes_on_behind_the_past(url: str):
    load(url, ORDERS, days=10, processes=1)
    before = StoredEvent.objects.count()

    assert api.place(api.client_of(api.user()), ("MUG-RED", 2)).status_code == 201
    assert StoredEvent.objects.order_by("-position").values_list("type", flat=True)[0] == "order.created"
    assert StoredEvent.objects.count() == before + 1


def test_its_daily_sales_are_those_of_a_rebuild(url: str):
    load(url, ORDERS, days=10, processes=1)
    before = list(DailySales.objects.live().order_by("day").values("day", "confirmed", "revenue"))

    replay = replays.start(replays.scope("orders.daily_sales"), actor="test")
    while continue_replay(1.0, replay.id):
        pass
    assert list(DailySales.objects.live().order_by("day").values("day", "confirmed", "revenue")) == before
    assert sum(day["confirmed"] for day in before) == ORDERS
