"""One key, one order: fifty clients at once, and a web process that dies between commit and answer."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from threading import Barrier
from uuid import uuid4

import httpx
import pytest

from orderproject.models import User
from orders.models import Order
from tests.acceptance.client import PASSWORD, Client
from tests.acceptance.shop import Shop
from tests.chaos.conftest import Opening

CLIENTS = 50
DYING = {"DJANGO_SETTINGS_MODULE": "tests.chaos.settings_dying"}


@pytest.mark.django_db(transaction=True)
def test_whoever_asks_and_whatever_dies_there_is_one_order(opening: Opening) -> None:
    with opening("front", "web", variables=DYING) as shop:
        shop.stock("MUG-RED", 100)
        user = User.objects.create_user("ada", "ada@example.com", PASSWORD)
        _of_fifty_at_once(shop, user)
        _after_a_death(Client(shop.deployment.url, user))


def _of_fifty_at_once(shop: Shop, user: User) -> None:
    first = Client(shop.deployment.url, user)
    key, barrier = str(uuid4()), Barrier(CLIENTS)

    def place(_: int) -> httpx.Response:
        one_of_them = copy(first)
        one_of_them.http = httpx.Client(base_url=first.http.base_url, headers=first.http.headers, timeout=30)
        barrier.wait(30)
        return one_of_them.place(("MUG-RED", 1), key=key)

    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(place, range(CLIENTS)))
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {201, 409}
    assert statuses[201]
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert Order.objects.count() == 1


def _after_a_death(client: Client) -> None:
    key = str(uuid4())
    client.http.headers["X-Die"] = "please"
    assert client.place(("MUG-RED", 2), key=key).status_code == 503
    del client.http.headers["X-Die"]
    assert Order.objects.count() == 2  # committed, and nobody knows
    again = client.place(("MUG-RED", 2), key=key)
    assert again.status_code == 201
    assert again.headers["Idempotency-Replayed"] == "true"
    assert Order.objects.count() == 2
