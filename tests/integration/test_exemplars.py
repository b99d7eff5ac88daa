"""Exemplars: where traces are recorded, the buckets of histograms lead to the trace of an order."""

from __future__ import annotations

import time
from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.db import DatabaseError
from django.test import Client
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as plain_families
from prometheus_client.samples import Exemplar, Sample

from events.log import tally
from events.metrics import flush, reading
from events.metrics.declare import Histogram, Memory
from events.metrics.memory import here
from events.models import Measure, StoredEvent
from events.tracing import spans
from payments.gateway.memory import InProcessGateway
from sagas.testing import drain
from tests.integration.api import ORDERS, client_of, order, product, user

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]
OPENMETRICS = "application/openmetrics-text"
PROMETHEUS = (
    f"{OPENMETRICS};version=1.0.0;escaping=allow-utf-8;q=0.6,{OPENMETRICS};version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
"""What Prometheus 3 sends."""
OF_AN_ORDER = {
    "http_request_seconds", "events_handling_seconds", "events_critical_time_seconds", "sagas_step_seconds",
    "sagas_run_seconds", "orders_settling_seconds",
}  # fmt: skip
LATENCY = Histogram("tests_latency_seconds", "Times.", (), (0.1, 1.0))
SAMPLED = [f"00-{number:032x}-{number:016x}-01" for number in range(1, 4)]
UNSAMPLED = f"00-{9:032x}-{9:016x}-00"


@pytest.fixture
def traced() -> Iterator[None]:
    spans.record_with(lambda span: None)
    yield
    spans.record_with(None)


@pytest.fixture(autouse=True)
def _begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is counted yet, and cards are charged in this process."""
    gateway = InProcessGateway()
    monkeypatch.setattr("payments.steps.gateway", lambda: gateway)
    here.take()


def scraped(client: Client, accept: str = PROMETHEUS) -> dict[str, list[Sample]]:
    """The buckets with an exemplar, by metric. The parser refuses what is not OpenMetrics."""
    flush.write()
    tally.count_log()
    answer = client.get("/metrics", headers={"accept": accept})
    assert answer["Content-Type"] == f"{OPENMETRICS}; version=1.0.0; charset=utf-8"
    found: dict[str, list[Sample]] = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        if with_one := [sample for sample in family.samples if sample.exemplar]:
            found[family.name] = with_one
    return found


def exemplar_of(sample: Sample) -> Exemplar:
    assert sample.exemplar is not None
    return sample.exemplar


def ordered(*contexts: str) -> None:
    """Orders that came with these contexts, and are confirmed."""
    product()
    customer = client_of(user())
    for context in contexts:
        headers = {"traceparent": context, "Idempotency-Key": str(uuid4())}
        assert customer.post(ORDERS, order(), headers=headers).status_code == 201
    drain()


def test_buckets_lead_to_the_trace_of_an_order(client: Client, traced: None) -> None:
    ordered(SAMPLED[0], UNSAMPLED)
    found = scraped(client)
    assert found.keys() >= OF_AN_ORDER
    traces = {exemplar_of(sample).labels["trace_id"] for name in OF_AN_ORDER for sample in found[name]}
    event = StoredEvent.objects.get(type="order.created", traceparent__endswith="-01")
    assert traces == {spans.trace_id_of(event.traceparent)}
    for sample in (sample for name in OF_AN_ORDER for sample in found[name]):
        exemplar = exemplar_of(sample)
        assert 0 <= exemplar.value <= float(sample.labels["le"])
        assert abs(time.time() - float(exemplar.timestamp or 0)) < 30


def test_without_traces_there_are_none(client: Client) -> None:
    ordered(SAMPLED[0])
    assert scraped(client) == {}
    assert not Measure.objects.exclude(exemplar_trace_id=None).exists()


@pytest.mark.parametrize("accept", ["", "*/*", "text/plain;version=0.0.4", f"text/plain, {OPENMETRICS};q=0.5"])
def test_others_get_plain_text(client: Client, traced: None, accept: str) -> None:
    LATENCY.observe(0.5, trace=SAMPLED[0])
    flush.write()
    answer = client.get("/metrics", headers={"accept": accept} if accept else {})
    assert answer["Content-Type"] == "text/plain; version=1.0.0; charset=utf-8"
    text = answer.content.decode()
    assert "tests_latency_seconds" in {family.name for family in plain_families(text)}
    assert "trace_id" not in text


def test_a_bucket_keeps_the_last_sampled_trace_of_all_processes(traced: None) -> None:
    first, second, unsampled = Memory(), Memory(), Memory()
    LATENCY.observe_all([0.05, 0.5, 0.6, -1.0], into=first, traces=[SAMPLED[0], SAMPLED[0], SAMPLED[1], SAMPLED[2]])
    LATENCY.observe(0.7, into=second, trace=SAMPLED[2])
    LATENCY.observe(0.8, into=unsampled, trace=UNSAMPLED)
    for memory in (first, second, unsampled):
        flush.write(memory)
    kept = reading.exemplars()[LATENCY.name][()]
    assert {part: (one.trace_id, one.value) for part, one in kept.items()} == {
        "0.1": (f"{3:032x}", 0.0), "1.0": (f"{3:032x}", 0.7),
    }  # fmt: skip


def test_an_exemplar_that_could_not_be_written_is_written_next_time(
    traced: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, bucket = Memory(), f"{uuid4().hex}"
    LATENCY.observe(0.5, into=memory, trace=f"00-{bucket}-{1:016x}-01")
    with monkeypatch.context() as patch:
        patch.setattr("events.metrics.sql.ADD", "SELECT 1/0")
        with pytest.raises(DatabaseError):
            flush.write(memory)
    flush.write(memory)
    assert reading.exemplars()[LATENCY.name][()]["1.0"].trace_id == bucket
