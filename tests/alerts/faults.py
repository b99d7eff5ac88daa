"""Faults of a running shop, each with the one alert that must tell of it."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from urllib.request import Request, urlopen
from uuid import uuid4

import psycopg
from django.db import connection, transaction
from redis import Redis

from events.dead_letters import repair
from events.log.append import emit
from events.models import DeadMessage, Delivery, DeliveryState
from inventory.events import INVENTORY
from orderproject.stack.servers.valkey import EmbeddedValkey
from orders.events import OrderShipped
from sagas.models import SagaRun
from sagas.plan import RunState
from tests.acceptance.shop import Shop

LAST_ATTEMPT = 7


@dataclass(frozen=True)
class Fault:
    """While the block of `lasting` runs the shop has the fault. When it ends, an operator has repaired it."""

    name: str
    alert: str
    lasting: Callable[[Shop], AbstractContextManager[None]]


def _sandbox(shop: Shop, control: str, **body: object) -> None:
    url = f"{shop.deployment.sandbox_url}/control/{control}"
    urlopen(Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"}), timeout=10).close()


@contextmanager
def gateway_outage(shop: Shop) -> Iterator[None]:
    _sandbox(shop, "outage", on=True)
    for _ in range(12):
        shop.places("ALERT-MUG")
    yield
    _sandbox(shop, "outage", on=False)


def frozen(name: str) -> Callable[[Shop], AbstractContextManager[None]]:
    @contextmanager
    def lasting(shop: Shop) -> Iterator[None]:
        shop.processes[name].signal(signal.SIGSTOP)
        yield
        shop.processes[name].signal(signal.SIGCONT)

    return lasting


def killed(name: str) -> Callable[[Shop], AbstractContextManager[None]]:
    @contextmanager
    def lasting(shop: Shop) -> Iterator[None]:
        shop.processes[name].kill()
        yield
        shop.processes[name].start()
        shop.processes[name].wait_ready()

    return lasting


@contextmanager
def poisoned_event(_: Shop) -> Iterator[None]:
    """A delivery with unreadable data, before its last attempt."""
    shipped = OrderShipped(
        order_id=uuid4(), shipment_id=uuid4(), items=(), carrier="DHL", tracking_number="1", complete=True
    )
    with transaction.atomic():
        emit([shipped])
        mail = Delivery.objects.filter(subscriber="notifications.mail_shipment", state=DeliveryState.PENDING)
        mail.update(edited_data={}, attempts=LAST_ATTEMPT)
    yield
    dead = Delivery.objects.filter(state=DeliveryState.DEAD).values_list("id", flat=True)
    repair.discard(list(dead), actor="test", reason="It was poisoned.")


@contextmanager
def bad_message(shop: Shop) -> Iterator[None]:
    """Something that is no message, in the queue of a worker."""
    with closing(Redis.from_url(shop.deployment.broker_url)) as broker:
        broker.lpush(str(INVENTORY), "no message")
    yield
    DeadMessage.objects.all().delete()


@contextmanager
def stuck_saga(shop: Shop) -> Iterator[None]:
    """As a step after the pivot would leave its run when it has failed for good."""
    order = shop.places("ALERT-MUG")
    run = SagaRun.objects.filter(subject=order.id)
    shop.wait_until(lambda: run.filter(state=RunState.DONE).exists(), 30)
    run.update(state=RunState.STUCK)
    yield
    run.update(state=RunState.DONE)


@contextmanager
def open_writer(_: Shop) -> Iterator[None]:
    """A transaction that has appended to the log and does not end, while others append."""
    database = connection.get_connection_params()
    login = {key: database[key] for key in ("host", "port", "user", "password", "dbname")}
    with closing(psycopg.connect(**login)) as other:
        other.execute("LOCK TABLE events_storedevent IN ROW EXCLUSIVE MODE")
        other.execute("SELECT nextval(pg_get_serial_sequence('events_storedevent', 'position')), pg_current_xact_id()")
        yield
        other.rollback()


def broker_away(valkey: EmbeddedValkey) -> Fault:
    """The shop's own Valkey is down. Workers may end with it; their supervisor starts them again."""

    @contextmanager
    def lasting(shop: Shop) -> Iterator[None]:
        valkey.stop()
        yield
        valkey.start()
        for process in shop.processes.values():
            if not process.running:
                process.start()
                process.wait_ready()

    return Fault("the broker is unreachable", "BrokerUnreachable", lasting)


QUICK = (
    Fault("the card processor is unreachable", "BreakerOpen", gateway_outage),
    Fault("the relay hangs", "RelayNotClaiming", frozen("relay")),
    Fault("a worker is killed", "QueueNotConsumed", killed("worker-network")),
    Fault("an event is poisoned", "DeadLettersGrowing", poisoned_event),
)
ALL = (
    *QUICK,
    Fault("web is killed", "MetricsUnreachable", killed("web")),
    Fault("beat is killed", "ProcessMissing", killed("beat")),
    Fault("a saga is stuck", "SagaStuck", stuck_saga),
    Fault("a message is no message", "DeadMessagesGrowing", bad_message),
    Fault("a transaction that writes the log stays open", "LogReaderStandsStill", open_writer),
)
