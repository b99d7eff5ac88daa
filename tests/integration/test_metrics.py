"""`/metrics`: what waits and what is dead, in Prometheus' own format."""

from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families

from events.log.append import emit
from events.metrics.memory import SUM, here
from events.models import Delivery
from orderproject.observability.requests import REQUEST
from orders.models import Order
from tests.integration.api import assert_problem, client_of, place, product, user
from tests.integration.listeners import Rang
from tests.integration.mail import Mail

pytestmark = pytest.mark.django_db


def measured(client: Client) -> dict[tuple[str, str], float]:
    """Each value by the name of its metric and its labels' values."""
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.content
    return {
        (sample.name, "/".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


def test_what_waits_and_what_is_dead(client: Client, mail: Mail) -> None:
    emit([Rang(bell_id=uuid4(), name="ding")])
    Delivery.objects.filter(subscriber="tests.outside").update(state="dead")
    values = measured(client)
    assert values["events_deliveries_pending", "tests.together"] == 1
    assert 0 <= values["events_deliveries_oldest_seconds", "tests.together"] < 60
    assert values["events_deliveries_dead", "tests.outside"] == 1
    assert ("events_deliveries_pending", "tests.outside") not in values
    assert values["events_dead_messages", ""] == 0
    assert values["broker_up", ""] == 1
    assert values["broker_messages", "orders"] == 0
    assert values["events_breaker_state", "payments"] == 0
    assert values["events_log_position", ""] > 0


def test_it_takes_a_constant_number_of_statements(client: Client) -> None:
    product()
    needed = []
    for orders in (0, 1, 3):
        while Order.objects.count() < orders:
            assert place(client_of(user())).status_code == 201
        with CaptureQueriesContext(connection) as seen:
            measured(client)
        needed.append(len(seen))
    assert needed == [needed[0]] * 3
    assert needed[0] < 60


def test_requests_are_counted_by_what_they_do_and_how_they_end(client: Client) -> None:
    here.take()
    client.get("/api/v1/orders/")
    client.post("/api/v1/orders/", "{}", content_type="application/json")
    client.delete("/api/v1/orders/bulk/")
    client.get("/admin/login/")
    client.get("/nowhere")
    client.get("/livez")
    counts = here.take().counts
    counted = {key.labels: number for key, number in counts.items() if key.metric == REQUEST.name and key.part != SUM}
    assert counted == {
        ("read", "4xx"): 1, ("place", "4xx"): 1, ("write", "4xx"): 1, ("admin", "2xx"): 1, ("other", "4xx"): 1,
    }  # fmt: skip


@pytest.mark.parametrize("address", ["203.0.113.9", "10.0.0.1", "2001:db8::1"])
def test_strangers_find_nothing(client: Client, address: str) -> None:
    assert_problem(client.get("/metrics", REMOTE_ADDR=address), 404)


def test_only_to_be_read(client: Client) -> None:
    assert client.post("/metrics").status_code == 405
