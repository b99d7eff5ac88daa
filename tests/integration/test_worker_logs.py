"""What relay and workers log names the event's origin, as the web process does: one search then finds both."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from events.delivery.relay import Relay
from events.log.append import emit
from events.log.context import Context, caused_by
from inventory.models import Product, Stock, Warehouse
from orderproject.observability import logs
from orders.models import Order
from orders.services import Placement, Wanted, place
from payments.gateway.memory import InProcessGateway
from sagas.testing import drain
from tests.integration import inline, listeners
from tests.integration.api import ADDRESS, client_of, user
from tests.integration.listeners import Rang
from tests.integration.mail import Mail

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]
TRACE = "0af7651916cd43dd8448eb211c80319c"
CONTEXT = Context(correlation_id="from-the-web", traceparent=f"00-{TRACE}-b7ad6b7169203331-01")
Line = dict[str, Any]
log = structlog.get_logger("tests.handlers")


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("payments.steps.gateway", lambda: InProcessGateway(timeout=0.2))
    logs._number_of.cache_clear()
    yield
    listeners.poison.clear()


class Lines(logging.Handler):
    """What was logged, as structlog passes it to Python's logging."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.written.append(record.msg)

    def of(self, event: str) -> list[Line]:
        return [line for line in self.written if isinstance(line, dict) and line["event"] == event]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Attached to the loggers themselves: Celery replaces the root's handlers."""
    seen = Lines()
    loggers = [logging.getLogger(name) for name in ("events", "sagas", "tests")]
    for one in loggers:
        one.addHandler(seen)
    yield seen
    for one in loggers:
        one.removeHandler(seen)


def mug(pays: str) -> UUID:
    product = Product.objects.create(sku="MUG", name="Mug", price=Decimal("9.90"))
    Stock.objects.create(product=product, warehouse=Warehouse.objects.create(code="BER", name="Berlin"), on_hand=5)
    with caused_by(CONTEXT):
        return place(Placement(uuid4(), "EUR", "ada@example.com", pays, ADDRESS, [Wanted("MUG", 1)])).id


def test_a_failed_delivery_of_a_batch_says_whose_it_is(mail: Mail, lines: Lines) -> None:
    listeners.poison.add("bad")
    bells = {name: uuid4() for name in ("good", "bad")}
    with caused_by(CONTEXT):
        emit([Rang(bell_id=bell, name=name) for name, bell in bells.items()])
    Relay().pump()
    mail.deliver()
    (failed,) = [line for line in lines.of("delivery failed") if line["subscriber"] == "tests.together"]
    assert (failed["correlation_id"], failed["trace_id"]) == ("from-the-web", TRACE)
    assert failed["stream"] == f"bell:{bells['bad']}"
    assert "order_number" not in failed


def test_what_a_handler_logs_carries_the_event(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here in the relay; the outcome of the look is logged by structlog and by Python's own logging."""

    def look(events: Sequence[inline.Seen]) -> None:
        log.warning("saw a star")
        logging.getLogger("tests.other").warning("saw it too")

    monkeypatch.setattr(inline, "look", look)
    with caused_by(CONTEXT):
        inline.see("vega")
    Relay().pump()
    (line,) = lines.of("saw a star")
    assert line["subscriber"] == "tests.look_at_once"
    assert (line["correlation_id"], line["trace_id"]) == ("from-the-web", TRACE)
    assert line["stream"].startswith("star:")

    lines.written.clear()
    inline.see("deneb", "altair")
    Relay().pump()
    (line,) = lines.of("saw a star")
    assert line["batch"] == 2
    assert "stream" not in line
    assert structlog.contextvars.get_contextvars() == {}


def test_a_failed_step_names_the_order_as_people_do(lines: Lines) -> None:
    order = mug("tok_flaky")
    drain()
    failed = lines.of("step failed")
    assert failed
    for line in failed:
        assert line["step"] == "authorize_payment"
        assert (line["correlation_id"], line["trace_id"], line["order"]) == ("from-the-web", TRACE, str(order))
        assert line["order_number"] == Order.objects.get().number


def test_the_number_is_looked_up_once_and_never_where_it_could_do_harm() -> None:
    order = mug("tok_visa")
    number = Order.objects.get().number
    with CaptureQueriesContext(connection) as seen:
        for kind in ("order", "payment", "order"):
            record = logs.add_order_number(None, "info", {"event": "x", "stream": f"{kind}:{order}"})
            assert record["order_number"] == number
    assert len(seen) == 1
    with CaptureQueriesContext(connection) as seen:
        for other in ({"stream": "bell:1"}, {"stream": ""}, {"stream": "order:not-an-id"}, {}):
            assert "order_number" not in logs.add_order_number(None, "info", dict(other))
    assert len(seen) == 0

    logs._number_of.cache_clear()
    with transaction.atomic():
        connection.set_rollback(True)
        with CaptureQueriesContext(connection) as seen:
            assert "order_number" not in logs.add_order_number(None, "info", {"order": str(order)})
        assert len(seen) == 0


def test_web_binds_the_same_names(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    def ready() -> str:
        log.warning("asked")
        return "ok"

    monkeypatch.setattr("orderproject.observability.health._valkey", ready)
    headers = {"X-Request-ID": "from-a-client", "traceparent": CONTEXT.traceparent}
    client_of(user()).get("/readyz", headers=headers)
    (line,) = lines.of("asked")
    assert (line["request_id"], line["correlation_id"], line["trace_id"]) == ("from-a-client", "from-a-client", TRACE)
