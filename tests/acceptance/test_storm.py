"""Many clients at once, every token, real processes: afterwards every book agrees with every other."""

from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from orders.models import Order
from tests.acceptance.client import Client
from tests.acceptance.shop import Shop

PROCESSES = ("sandbox", "front", "web", "worker-core", "worker-calls", "worker-network", "relay", "beat")
ORDERS = 2000
CLIENTS = 8
PRODUCTS = [f"STORM-{number}" for number in range(50)]
TOKENS = {"tok_visa": 90, "tok_declined": 4, "tok_insufficient_funds": 2, "tok_flaky": 2, "tok_capture_fails": 2}


@pytest.mark.timeout(280)
def test_two_thousand_orders_by_eight_clients_reconcile(shop: Shop):
    for sku in PRODUCTS:
        shop.stock(sku, 40, 20)  # scarce: some orders meet a shortage
    clients = [Client(shop.deployment.url) for _ in range(CLIENTS)]

    def place_many(number: int) -> list[int]:
        chance = Random(number)
        statuses = []
        for _ in range(ORDERS // CLIENTS):
            items = [(sku, chance.randint(1, 3)) for sku in chance.sample(PRODUCTS, chance.randint(1, 3))]
            token = chance.choices(list(TOKENS), list(TOKENS.values()))[0]
            statuses.append(clients[number].place(*items, pays=token).status_code)
        return statuses

    with ThreadPoolExecutor(CLIENTS) as pool:
        statuses = [status for answers in pool.map(place_many, range(CLIENTS)) for status in answers]
    assert statuses == [201] * ORDERS
    shop.wait_until(lambda: not shop.busy(), 200)
    ended = dict.fromkeys(["confirmed", "cancelled"], 0)
    for status in Order.objects.values_list("status", flat=True):
        ended[status] += 1
    assert sum(ended.values()) == ORDERS
    assert min(ended.values()) > 100
    reasons = set(Order.objects.filter(status="cancelled").values_list("cancel_reason", flat=True))
    assert reasons == {"out_of_stock", "card_declined", "insufficient_funds", "capture_failed"}
