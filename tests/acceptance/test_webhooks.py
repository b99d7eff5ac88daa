"""A client hears of its order by webhook, from the real processes: all of it, from the first event on."""

from collections.abc import Iterator
from typing import Any

import pytest

from notifications.models import WebhookDelivery
from notifications.webhooks import endpoints
from orderproject.models import User
from orders.services import Placement, Wanted, place
from tests.acceptance.conftest import BACKEND
from tests.acceptance.shop import ADDRESS, PlacedOrder, Shop, open_shop
from tests.integration.receiver import receiver

pytestmark = pytest.mark.django_db(transaction=True)

LOOPBACK = {"WEBHOOK_ALLOW_HTTP": "true", "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8"}
HEARD = {"order.created", "payment.authorized", "payment.succeeded", "order.confirmed"}


@pytest.fixture(scope="module")
def processes(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    """As everywhere, but webhooks may go to this machine."""
    with django_db_blocker.unblock(), open_shop(tmp_path_factory.mktemp("shop"), *BACKEND, variables=LOOPBACK) as shop:
        yield shop


def test_the_story_of_an_order_arrives_though_the_receiver_fails_at_first(shop: Shop) -> None:
    customer = User.objects.create_user("ada", "ada@example.com")
    shop.stock("MUG-RED", 5)
    with receiver() as server:
        server.answers = [503]
        _, secret = endpoints.create(
            customer.id, url=server.url(), event_types=["order.*", "payment.*"], description="", everything=False
        )
        wanted = [Wanted("MUG-RED", 1)]
        order = PlacedOrder(place(Placement(customer.id, "EUR", "a@example.com", "tok_visa", ADDRESS, wanted)).id, shop)
        shop.places("MUG-RED")  # somebody else's
        assert order.settles() == "confirmed"
        shop.wait_until(lambda: WebhookDelivery.objects.filter(state="delivered").count() == len(HEARD), 30)
    envelopes = [request.verified(secret) for request in server.requests]
    assert {envelope["eventType"] for envelope in envelopes} == HEARD
    assert {envelope["data"]["orderId"] for envelope in envelopes} == {str(order.id)}
    assert len({request.id for request in server.requests}) == len(HEARD) == len(server.requests) - 1
