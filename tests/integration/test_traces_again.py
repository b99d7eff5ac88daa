"""Which spans are the first attempt's and which are roots with a link: what a breaker or a lost broker put off.

Also the link from a later request about an order to the trace in which the order was placed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from events import Event
from events.log.append import emit
from events.log.context import Context, caused_by
from events.models import StoredEvent
from events.testing import Broker
from events.tracing import spans
from events.tracing.spans import Span
from orders.models import Order
from publishing.engine import turn
from publishing.engine.cursors import Held
from publishing.engine.publisher import Outcome, Publisher
from publishing.engine.records import Record
from sagas.testing import drain
from tests.integration import ailing
from tests.integration.ailing import SERVER, Knocked, Rang, VisitPlanned
from tests.integration.api import ORDERS, client_of, order, product, user
from tests.publishing import started

pytestmark = pytest.mark.django_db(transaction=True)
CONTEXT = f"00-{11:032x}-{12:016x}-01"
LATER = f"00-{21:032x}-{22:016x}-01"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the breaker puts off does not become due by itself."""
    vars(SERVER).pop("_declared", None)  # worked out from its times
    monkeypatch.setitem(vars(SERVER), "cool_down", 600.0)
    ailing.forget()
    yield
    ailing.forget()
    vars(SERVER).pop("_declared", None)


@pytest.fixture
def recorded() -> Iterator[list[Span]]:
    found: list[Span] = []
    spans.record_with(found.append)
    yield found
    spans.record_with(None)


def named(recorded: Sequence[Span], name: str) -> list[Span]:
    return [span for span in recorded if span.shape.name == name]


def emitted(*events: Event) -> list[str]:
    """The contexts in the log."""
    with caused_by(Context(traceparent=CONTEXT)):
        emit(events)
    return list(StoredEvent.objects.order_by("position").values_list("traceparent", flat=True))


def links(found: Sequence[Span]) -> list[tuple[str, tuple[str, ...]]]:
    """Parent and links of each, without the spans of messages that carry several events."""
    return [(one.parent_id, tuple(one.links)) for one in found if len(one.links) < 2]


# --- put off -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [Knocked, Rang])
def test_what_a_breaker_put_off_before_it_was_tried_is_claimed_again_and_tried_once(
    broker: Broker, recorded: list[Span], event: Callable[..., Event]
) -> None:
    name = "answer_doors" if event is Knocked else "answer_one"
    SERVER.report(SERVER.permit(10), 0, 10)
    (context,) = emitted(event(door_id=uuid4()))
    drain()
    assert links(named(recorded, f"claim tests.{name}")) == [(context[36:52], ())]
    assert named(recorded, f"process tests.{name}") == []
    recorded.clear()
    SERVER.forget()
    drain(through_retries=True)
    assert links(named(recorded, f"process tests.{name}")) == [(context[36:52], ())], "its first attempt"
    if event is Knocked:
        assert links(named(recorded, f"claim tests.{name}")) == [("", (context,))]


def test_what_was_tried_and_put_off_is_a_root_with_a_link(broker: Broker, recorded: list[Span]) -> None:
    contexts = emitted(*(Knocked(door_id=uuid4()) for _ in range(12)))
    ailing.away.append(True)
    drain()
    assert links(named(recorded, "process tests.answer_doors")) == [(one[36:52], ()) for one in contexts]
    recorded.clear()
    ailing.away.clear()
    SERVER.forget()
    drain(through_retries=True)
    for span in ("claim", "process"):
        assert links(named(recorded, f"{span} tests.answer_doors")) == [("", (one,)) for one in contexts]


def test_a_step_that_was_put_off_is_a_root_with_a_link(broker: Broker, recorded: list[Span]) -> None:
    emitted(*(VisitPlanned(visit_id=uuid4()) for _ in range(12)))
    ailing.away.append(True)
    drain()
    first = links(named(recorded, "tests.announce"))
    assert len(first) == 12
    assert all(parent for parent, _ in first)
    recorded.clear()
    ailing.away.clear()
    SERVER.forget()
    drain(through_retries=True)
    again = links(named(recorded, "tests.announce"))
    assert len(again) == 12
    assert all(not parent and linked[0][3:35] == CONTEXT[3:35] for parent, linked in again)


class Losing(Publisher):
    """Confirms one record of the first batch, then loses the broker; later it confirms all."""

    name = "kafka"
    lost = False

    def publish(self, records: Sequence[Record], seconds: float) -> Outcome:
        if self.lost:
            return Outcome(confirmed={record.position for record in records})
        self.lost = True
        return Outcome(confirmed={records[0].position}, lost=ConnectionError("gone"))

    def close(self) -> None: ...


def test_a_batch_that_is_published_again_is_roots_with_links(recorded: list[Span], settings: Any) -> None:
    settings.STREAMS_KAFKA_BOOTSTRAP_SERVERS = "127.0.0.1:9"  # nobody is asked
    contexts = emitted(*(Knocked(door_id=uuid4()) for _ in range(3)))
    publisher, cursor = Losing(), _cursor()
    with pytest.raises(turn.BrokerLost):
        turn.advance(publisher, cursor)
    assert links(named(recorded, "publish kafka")) == [(one[36:52], ()) for one in contexts]
    recorded.clear()
    *_, fresh = emitted(Knocked(door_id=uuid4()))
    turn.advance(publisher, cursor)
    assert links(named(recorded, "publish kafka")) == [
        ("", (contexts[1],)), ("", (contexts[2],)), (fresh[36:52], ()),
    ]  # fmt: skip


def _cursor() -> Held:
    _, cursor = started("kafka")
    return cursor


# --- another request -----------------------------------------------------------------------------------------


def placed(client: APIClient, context: str) -> Order:
    """Confirmed."""
    product()
    headers = {"traceparent": context, "Idempotency-Key": str(uuid4())}
    found = Order.objects.get(id=client.post(ORDERS, order(), headers=headers).json()["id"])
    with caused_by(Context(causation_id=str(uuid4()), traceparent=context)):
        found.confirm()
        found.save()
    return found


def cancelled(client: APIClient, one: Order, context: str) -> None:
    answer = client.post(f"{ORDERS}{one.id}/cancel/", {"reason": "by mistake"}, headers={"traceparent": context})
    assert answer.status_code == 202


def test_a_cancellation_is_linked_to_the_trace_of_its_order(recorded: list[Span]) -> None:
    customer = client_of(user())
    one = placed(customer, CONTEXT)
    assert [tuple(span.links) for span in named(recorded, "append order.confirmed")] == [()], "it has a cause"
    cancelled(customer, one, LATER)
    (append,) = named(recorded, "append order.cancelled")
    (created,) = StoredEvent.objects.filter(type="order.created").values_list("traceparent", flat=True)
    assert append.trace_id == LATER[3:35]
    assert tuple(append.links) == (created,)


@pytest.mark.parametrize(
    ("first", "second"),
    [(CONTEXT, f"00-{11:032x}-{13:016x}-01"), (f"{CONTEXT[:-2]}00", LATER)],
    ids=["the same trace", "an order that is not sampled"],
)
def test_there_is_no_link_where_it_leads_nowhere(recorded: list[Span], first: str, second: str) -> None:
    customer = client_of(user())
    cancelled(customer, placed(customer, first), second)
    assert [tuple(span.links) for span in named(recorded, "append order.cancelled")] == [()]


@pytest.mark.parametrize("sampled", [True, False])
def test_only_a_sampled_request_asks_for_the_link(recorded: list[Span], sampled: bool) -> None:
    customer = client_of(user())
    one = placed(customer, CONTEXT)
    with CaptureQueriesContext(connection) as seen:
        cancelled(customer, one, LATER if sampled else f"{LATER[:-2]}00")
    asked = [query for query in seen.captured_queries if "stream_version = 1" in query["sql"]]
    assert len(asked) == sampled
