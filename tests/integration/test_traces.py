"""Which spans deliveries, publishers, webhooks and requests make: children at first, roots with links when repeated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from events.dead_letters import repair
from events.log.append import emit
from events.log.context import Context, caused_by
from events.models import Delivery, Replay, StoredEvent
from events.replay import replays
from events.replay.runner import continue_replay
from events.testing import Broker, drain
from events.tracing import spans
from events.tracing.spans import Span
from notifications.models import WebhookDelivery
from notifications.webhooks import fan_out, sending
from orders.models import Order
from publishing.engine import turn
from publishing.engine.publisher import Outcome, Publisher
from publishing.engine.records import Record
from tests import stories
from tests.integration import echoes, listeners
from tests.integration.api import ORDERS, assert_problem, client_of, user
from tests.integration.echoes import Shouted
from tests.integration.listeners import Rang
from tests.integration.receiver import create, receiver
from tests.publishing import started

pytestmark = pytest.mark.django_db(transaction=True)
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
CONTEXT = f"00-{TRACE_ID}-b7ad6b7169203331-01"


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    listeners.poison.clear()
    echoes.forget()
    yield
    listeners.poison.clear()
    echoes.forget()


@pytest.fixture
def recorded() -> Iterator[list[Span]]:
    found: list[Span] = []
    spans.record_with(found.append)
    yield found
    spans.record_with(None)


def ring(*names: str, context: str = CONTEXT) -> list[str]:
    """Returns the contexts in the log."""
    with caused_by(Context(traceparent=context)):
        emit([Rang(bell_id=uuid4(), name=name) for name in names])
    return list(StoredEvent.objects.order_by("position").values_list("traceparent", flat=True))


def named(recorded: Sequence[Span], name: str) -> list[Span]:
    return [span for span in recorded if span.shape.name == name]


def test_an_event_hangs_below_its_request_and_its_deliveries_below_the_event(broker: Broker, recorded: list[Span]):
    (context,) = ring("a")
    drain()
    (appended,) = named(recorded, "append bell.rang")
    assert appended.context == context
    assert (appended.trace_id, appended.parent_id) == (TRACE_ID, CONTEXT[36:52])
    (claim,) = named(recorded, "claim tests.together")
    (publish,) = named(recorded, "publish tests.together")
    (process,) = named(recorded, "process tests.together")
    assert claim.parent_id == process.parent_id == appended.span_id
    assert publish.parent_id == claim.span_id
    assert {span.trace_id for span in recorded} == {TRACE_ID}


def test_a_message_with_several_is_one_span_that_links_to_the_sampled(broker: Broker, recorded: list[Span]):
    ring("unsampled", context=f"{CONTEXT[:-2]}00")
    _, *contexts = ring("a", "b")
    drain()
    of_orders, (sent,) = _split(named(recorded, "publish tests.together"))
    _, (handled,) = _split(named(recorded, "process tests.together"))
    assert len(of_orders) == 2
    assert list(handled.links) == contexts
    assert dict(handled.attributes) == {"messaging.batch.message_count": 3}
    assert (handled.trace_id, handled.parent_id) == (sent.trace_id, sent.span_id), "the message carries its context"


def _split(found: Sequence[Span]) -> tuple[list[Span], list[Span]]:
    """Those of the trace, and those of messages."""
    return [one for one in found if one.trace_id == TRACE_ID], [one for one in found if one.trace_id != TRACE_ID]


def test_a_retry_and_a_redrive_are_roots_with_a_link(broker: Broker, recorded: list[Span]):
    listeners.poison.add("a")
    (context,) = ring("a")
    drain()
    (first,) = named(recorded, "process tests.together")
    assert (first.trace_id, first.error) == (TRACE_ID, "ValueError")
    assert [one.error for one in named(recorded, "process tests.outside")] == ["OSError"], "it reports its failures"
    recorded.clear()
    drain(through_retries=True)
    again = named(recorded, "process tests.together")
    assert len(again) == listeners.RETRY.attempts - 1
    assert {(one.parent_id, one.links) for one in again} == {("", (context,))}
    recorded.clear()
    listeners.poison.clear()
    dead = Delivery.objects.get(state="dead", subscriber="tests.together")
    repair.retry([dead.id], actor="ada")
    drain()
    (redriven,) = named(recorded, "process tests.together")
    assert (redriven.parent_id, redriven.links, redriven.error) == ("", (context,), "")


def test_a_replay_is_a_root_with_a_link(broker: Broker, recorded: list[Span]):
    with caused_by(Context(traceparent=CONTEXT)):
        emit([Shouted(valley_id=uuid4(), word="ho")])
    drain()
    recorded.clear()
    replay = replays.start(replays.scope("tests.echo"), actor="test")
    Replay.objects.update(due_at=timezone.now())
    continue_replay(5, replay.id)
    drain()
    (replayed,) = named(recorded, "process tests.echo")
    assert replayed.parent_id == ""
    assert list(replayed.links) == [StoredEvent.objects.get(type="valley.shouted").traceparent]


class Broken(Publisher):
    """Confirms all but the records of one stream."""

    name = "kafka"

    def __init__(self, refused: str) -> None:
        self.refused = refused

    def publish(self, records: Sequence[Record], seconds: float) -> Outcome:
        outcome = Outcome()
        for record in records:
            if record.stream == self.refused:
                outcome.refused[record.position] = ValueError("too large")
            else:
                outcome.confirmed.add(record.position)
        return outcome

    def close(self) -> None: ...


def test_publishing_is_a_span_for_each_event_and_one_for_the_batch(recorded: list[Span], settings: Any):
    settings.STREAMS_KAFKA_BOOTSTRAP_SERVERS = "127.0.0.1:9"  # nobody is asked
    contexts = ring("a", "b", "c")
    _, cursor = started("kafka")
    recorded.clear()
    turn.advance(Broken(StoredEvent.objects.order_by("position")[1].stream), cursor)
    published, others = _split(named(recorded, "publish kafka"))
    assert [(one.parent_id, one.error) for one in published] == [
        (contexts[0][36:52], ""), (contexts[2][36:52], ""), (contexts[1][36:52], "ValueError")
    ]  # fmt: skip
    batch, alone = others
    assert list(batch.links) == contexts
    assert (alone.parent_id, list(alone.links), alone.error) == ("", [contexts[1]], "ValueError")


@pytest.fixture
def loopback(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WEBHOOK_ALLOW_HTTP = True
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    monkeypatch.setattr(fan_out, "_asked", fan_out._Asked())
    monkeypatch.setattr(fan_out, "KNOWN_FOR", 0.0)


@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize("traced", [True, False])
def test_a_webhook_hands_the_trace_on(broker: Broker, traced: bool):
    """The receiver's spans hang below our call; without traces it gets the client's own context."""
    found: list[Span] = []
    owner = user("owner")
    with receiver() as server:
        create(client_of(owner), server.url())
        spans.record_with(found.append if traced else None)
        with caused_by(Context(traceparent=CONTEXT)):
            order = stories.placed()
            Order.objects.unrecorded().filter(id=order.id).update(customer_id=owner.id)
        server.answers.append(503)
        drain()
        for _ in range(2):
            WebhookDelivery.objects.update(due_at=timezone.now())
            sending.send_due(20.0)
        spans.record_with(None)
        handed_on = [request.headers["traceparent"] for request in server.requests]
    event = StoredEvent.objects.get(type="order.created").traceparent
    if not traced:
        assert handed_on == [event] * 2 == [CONTEXT] * 2
        return
    first, second = named(found, "POST webhook")
    assert handed_on == [first.context, second.context]
    assert (first.parent_id, first.error) == (event[36:52], "503")
    assert (second.parent_id, second.links, second.error) == ("", (event,), "")


def test_a_request_is_a_span_below_its_client_s(recorded: list[Span], settings: Any):
    client = client_of(user("ada"))
    answer = client.get(f"{ORDERS}{uuid4()}/", headers={"traceparent": CONTEXT})
    (request,) = recorded
    assert answer["traceparent"] == request.context
    assert (request.shape.name, request.trace_id, request.parent_id) == (
        "GET /api/v1/orders/<id:order_id>/", TRACE_ID, CONTEXT[36:52]
    )  # fmt: skip
    assert dict(request.attributes)["http.response.status_code"] == 404
    settings.OTEL_TRACES_SAMPLER_ARG = 0.0
    unsampled = client.get(ORDERS)["traceparent"]
    assert unsampled.endswith("-00")
    assert client.get(ORDERS, headers={"traceparent": unsampled})["traceparent"] == unsampled
    settings.OTEL_TRACES_SAMPLER_ARG = 1.0
    assert client.get(ORDERS)["traceparent"].endswith("-01")
    client.get("/livez")
    assert len(recorded) == 2


def test_a_problem_names_its_trace_where_traces_are_recorded():
    client = client_of(user("ada"))
    assert_problem(client.get(f"{ORDERS}{uuid4()}/", headers={"traceparent": CONTEXT}), 404)
    spans.record_with(lambda span: None)
    try:
        answer = client.get(f"{ORDERS}{uuid4()}/", headers={"traceparent": CONTEXT})
    finally:
        spans.record_with(None)
    assert answer.json()["traceId"] == TRACE_ID


def test_the_order_s_page_leads_to_its_trace(admin_client: Any, settings: Any):
    page = "https://traces.example/{trace_id}?from=shop"
    with caused_by(Context(traceparent=CONTEXT)):
        order = stories.placed()
    address = reverse("admin:orders_order_change", args=[order.id])
    assert "traces.example" not in admin_client.get(address).content.decode()
    settings.TRACE_URL = page
    assert f'href="https://traces.example/{TRACE_ID}?from=shop"' in admin_client.get(address).content.decode()
    untraced = reverse("admin:orders_order_change", args=[stories.placed().id])
    assert "traces.example" not in admin_client.get(untraced).content.decode()
