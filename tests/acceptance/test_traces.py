"""Each order is one unbroken trace, through all processes, whatever becomes of it."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from events.models import StoredEvent
from orders.models import Order
from tests.acceptance.client import Client
from tests.acceptance.shop import Shop, open_shop
from tests.otlp import Collector, Taken, collecting

NAMES = ("sandbox", "front", "web", "worker-core", "worker-calls", "worker-network", "relay", "beat")
ORDERS = 200
FAILING = 6
"""Orders that are placed while the card processor is away."""
BURST = 40
"""Orders whose calls are under way when their worker is killed."""
CARDS = ("tok_visa", "tok_visa", "tok_declined", "tok_visa", "tok_visa", "tok_insufficient_funds", "tok_capture_fails")
EVERY_ORDER = {
    "POST /api/v1/orders/", "append order.created", "claim orders.PlaceOrder", "process orders.PlaceOrder",
    "inventory.hold_stock",
}  # fmt: skip
A_CONFIRMED_ONE = EVERY_ORDER | {
    "payments.authorize_payment", "POST authorizations", "payments.capture_payment", "POST capture",
    "inventory.commit_stock", "orders.confirm_order", "append order.confirmed",
    "claim notifications.mail_confirmation", "publish notifications.mail_confirmation",
    "process notifications.mail_confirmation", "send mail",
}  # fmt: skip

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture(scope="module")
def processes(
    collector: Collector, django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    with django_db_blocker.unblock(), open_shop(tmp_path_factory.mktemp("shop"), *NAMES, variables=variables) as shop:
        yield shop


def test_each_order_is_one_tree_under_faults(shop: Shop, collector: Collector):
    shop.stock("PLENTY", 1000)
    shop.stock("SCARCE", 5)
    client = Client(shop.deployment.url)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: _place(client, number), range(ORDERS - BURST - FAILING)))
        _control(shop, "outage", {"on": True})
        answers += pool.map(lambda _: client.place(("PLENTY", 1)), range(FAILING))
        time.sleep(0.3)
        _control(shop, "outage", {"on": False})
        cancelled = [
            client.http.post(f"orders/{one.json()['id']}/cancel/", json={"reason": "changed my mind"})
            for one in answers[::20]
        ]
        shop.wait_until(lambda: not shop.busy(), 60)
        _control(shop, "latency", {"ms": 8000})
        answers += pool.map(lambda _: client.place(("PLENTY", 1)), range(BURST))
    time.sleep(2)  # now the spans before their calls have left, and the calls are under way
    worker = shop.processes["worker-calls"]
    worker.kill()
    _control(shop, "latency", {"ms": 0})
    worker.start()
    shop.wait_until(lambda: not shop.busy(), 60)
    assert {one.status_code for one in answers} == {201}
    assert {one.status_code for one in cancelled} <= {200, 202, 409}
    ours = [process for name, process in shop.processes.items() if name != "sandbox"]
    for process in ours:
        process.terminate()
    for process in ours:
        process.stop()  # which sends its last spans
    _check(shop, collector, answers)


def _place(client: Client, number: int) -> httpx.Response:
    sku = "SCARCE" if number % 10 == 9 else "PLENTY"
    return client.place((sku, 1), pays="tok_flaky" if number % 40 == 4 else CARDS[number % len(CARDS)])


def _check(shop: Shop, collector: Collector, answers: list[httpx.Response]) -> None:
    traces = collector.traces()
    known = {(span.trace_id, span.span_id) for span in collector.spans}
    broken = {trace_id: wrong for trace_id, spans in traces.items() if (wrong := _wrong_with(spans))}
    assert broken == {}
    assert [span for span in collector.spans if not set(span.links) <= known] == []
    statuses: Counter[str] = Counter()
    for answer in answers:
        spans = traces[answer.headers["traceparent"].split("-")[1]]
        status = Order.objects.get(id=answer.json()["id"]).status
        statuses[status] += 1
        wanted = A_CONFIRMED_ONE if status == "confirmed" else EVERY_ORDER
        assert wanted <= {span.name for span in spans} | _linked(spans, collector), status
    assert statuses.keys() == {"confirmed", "cancelled"}
    _check_log(traces)
    assert len({span.process for span in collector.spans}) >= 6, "web twice, relay, three workers"
    assert any(len(span.links) > 1 for span in collector.spans), "no message carried several orders"
    logged = re.findall(r"trace_id=([0-9a-f]{32})", shop.logs())
    assert set(logged) <= traces.keys()


def _wrong_with(spans: list[Taken]) -> str:
    """Empty for one tree: one root, and every parent is there."""
    ids = [span.span_id for span in spans]
    roots = [span.name for span in spans if not span.parent_id]
    orphans = [span.name for span in spans if span.parent_id and span.parent_id not in set(ids)]
    if len(roots) == 1 and not orphans and len(set(ids)) == len(ids):
        return ""
    return f"roots {roots}, orphans {orphans} of {sorted(span.name for span in spans)}"


def _linked(spans: list[Taken], collector: Collector) -> set[str]:
    """The names in traces that begin with a link to one of these: what was tried again."""
    ours = {(span.trace_id, span.span_id) for span in spans}
    again = {span.trace_id for span in collector.spans if ours & set(span.links)}
    return {span.name for span in collector.spans if span.trace_id in again}


def _check_log(traces: dict[str, list[Taken]]) -> None:
    """Each event leads to the span that appended it; all events of a request are in its trace."""
    appended = {
        (span.trace_id, span.span_id): span.attributes["messaging.message.id"]
        for spans in traces.values()
        for span in spans
        if span.name.startswith("append ")
    }
    by_request: dict[str, set[str]] = {}
    for event in StoredEvent.objects.exclude(traceparent=""):
        _, trace_id, span_id, flags = event.traceparent.split("-")
        assert flags == "01"
        assert appended[trace_id, span_id] == str(event.event_id)
        by_request.setdefault(event.correlation_id, set()).add(trace_id)
    assert {len(found) for found in by_request.values()} == {1}


def _control(shop: Shop, switch: str, body: dict[str, Any]) -> None:
    httpx.post(f"{shop.deployment.sandbox_url}/control/{switch}", json=body).raise_for_status()
