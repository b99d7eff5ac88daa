"""`/metrics` over real processes: right after orders with several outcomes, and after a kill and a restart."""

from __future__ import annotations

import time
import urllib.request
from collections import Counter
from dataclasses import dataclass

import pytest
from prometheus_client.parser import text_string_to_metric_families

from events.metrics.flush import EVERY
from tests.acceptance.shop import Shop

PROCESSES = ("sandbox", "front", "web", "worker-core", "worker-calls", "worker-network", "relay", "beat")
Key = tuple[str, frozenset[tuple[str, str]]]
MOST_SERIES = 3000
MOST_PER_NAME = 100
COUNTS = ("_total", "_count", "_bucket", "_sum")


@dataclass(frozen=True)
class Values:
    """What one scrape returned."""

    by_key: dict[Key, float]

    def of(self, name: str, **labels: str) -> float | None:
        return self.by_key.get((name, frozenset(labels.items())))

    def by(self, name: str) -> dict[str, float]:
        """Those of a metric with one label, by its value."""
        return {next(iter(labels))[1]: value for (one, labels), value in self.by_key.items() if one == name}


def scrape(shop: Shop) -> Values:
    with urllib.request.urlopen(f"{shop.deployment.url}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return Values(
        {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
    )


def scrape_when_written(shop: Shop) -> Values:
    """The values once every process has written what it has counted until now."""
    time.sleep(EVERY + 1)
    deadline = time.monotonic() + 3 * EVERY
    while time.monotonic() < deadline:
        values = scrape(shop)
        if values.by("events_reader_position").get("metrics") == values.of("events_log_position"):
            break
        time.sleep(0.3)
    return values


@pytest.mark.slow
def test_counts_are_right_and_never_fall(shop: Shop) -> None:
    shop.stock("METRIC-MUG", 5)
    shop.stock("METRIC-POT", 1, price="7.50")
    orders = [
        shop.places("METRIC-MUG", quantity=2),
        shop.places("METRIC-MUG", pays="tok_declined"),
        shop.places("METRIC-MUG", pays="tok_flaky"),
        shop.places("METRIC-POT", quantity=2),
        shop.places("METRIC-POT"),
    ]
    assert [one.settles() for one in orders] == ["confirmed", "cancelled", "confirmed", "cancelled", "confirmed"]
    values = scrape_when_written(shop)
    assert_business(values)
    assert_deliveries(values)
    assert_sagas(values)
    assert_processes(values)
    assert_few_labels(values)

    for name in ("worker-core", "relay"):
        shop.processes[name].kill()
        shop.processes[name].start()
        shop.processes[name].wait_ready()
    assert shop.places("METRIC-MUG").settles() == "confirmed"
    later = scrape_when_written(shop)
    fallen = {
        key: (value, later.by_key.get(key))
        for key, value in values.by_key.items()
        if key[0].endswith(COUNTS) and later.by_key.get(key, 0) < value
    }
    assert fallen == {}
    assert later.of("orders_confirmed_total", currency="EUR") == 4
    assert later.of("sagas_run_seconds_count", saga="PlaceOrder", outcome="done") == 4


def assert_business(values: Values) -> None:
    assert values.by("orders_placed_total") == {"EUR": 5}
    assert values.by("orders_confirmed_total") == {"EUR": 3}
    assert values.by("orders_revenue_total") == {"EUR": 20 + 10 + 7.5}
    reasons = {reason: number for reason, number in values.by("orders_cancelled_total").items() if number}
    assert reasons == {"card_declined": 1, "out_of_stock": 1}
    assert values.of("orders_cancelled_total", reason="person") == 0
    settled = {
        outcome: values.of("orders_settling_seconds_count", outcome=outcome) for outcome in ("confirmed", "cancelled")
    }
    assert settled == {"confirmed": 3, "cancelled": 2}
    assert values.of("orders_settling_seconds_bucket", outcome="confirmed", le="+Inf") == 3
    assert 0 < (values.of("orders_settling_seconds_sum", outcome="cancelled") or 0) < 60
    assert values.of("http_request_seconds_count", kind="place", status="2xx") == 0
    consumed = values.by("broker_last_consumed_timestamp_seconds")
    assert {"inventory", "payments", "notifications"} <= consumed.keys()
    assert values.of("events_appended_total", type="order.created") == 5
    assert values.of("orders_pending") == 0


def assert_deliveries(values: Values) -> None:
    handled = values.by("events_deliveries_handled_total")
    assert handled["orders.PlaceOrder"] == 5
    assert handled["notifications.mail_confirmation"] == 3
    assert handled["notifications.mail_cancellation"] == 2
    assert handled["notifications.mail_shipment"] == 0
    critical = values.by("events_critical_time_seconds_count")
    assert {name: number for name, number in handled.items() if number} == critical
    assert 0 < values.by("events_critical_time_seconds_sum")["notifications.mail_confirmation"] < 60
    assert values.by("events_handling_seconds_count")["orders.PlaceOrder"] <= 5
    assert set(values.by("events_deliveries_dead_lettered_total").values()) == {0}


def assert_sagas(values: Values) -> None:
    assert values.of("sagas_run_seconds_count", saga="PlaceOrder", outcome="done") == 3
    assert values.of("sagas_run_seconds_count", saga="PlaceOrder", outcome="undone") == 2
    assert values.of("sagas_run_seconds_count", saga="PlaceOrder", outcome="stuck") == 0
    for step, outcome, number in (
        ("authorize_payment", "refused", 1),
        ("hold_stock", "refused", 1),
        ("hold_stock", "done", 4),
        ("capture_payment", "done", 3),
        ("confirm_order", "done", 3),
        ("cancel_order", "undone", 2),
    ):
        assert values.of("sagas_step_seconds_count", step=step, outcome=outcome) == number, (step, outcome)
    assert values.of("sagas_step_failures_total", step="authorize_payment", outcome="retried") == 2


def assert_processes(values: Values) -> None:
    running = values.by("processes_running")
    assert running == {"web": running["web"], "worker": 3, "relay": 1, "beat": 1}
    assert 0 <= time.time() - (values.of("events_relay_last_claim_timestamp_seconds") or 0) < 3 * EVERY
    assert values.by("database_pool_max_connections")["worker"] > 0
    assert set(values.by("metrics_section_up").values()) == {1}


def assert_few_labels(values: Values) -> None:
    assert len(values.by_key) < MOST_SERIES
    per_name = Counter(name for name, _ in values.by_key if not name.endswith("_bucket"))
    assert per_name.most_common(1)[0][1] < MOST_PER_NAME
