"""Daily sales, live and made anew: whatever happens meanwhile, every event counts once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from events import Money, Refused
from events.delivery import retention
from events.delivery.relay import Relay
from events.log.append import append, emit
from events.log.watermark import high_watermark
from events.models import Build, Delivery, Replay
from events.replay import replays
from events.replay.runner import continue_replay
from orderproject.stack.processes import PROJECT
from orders.events import Item, OrderCancelled, OrderConfirmed, OrderCreated, OrderItemsCancelled, OrderReturned
from orders.models import DailySales
from orders.subscribers import daily_sales
from payments.events import PaymentRefunded
from tests.integration.mail import Mail

pytestmark = pytest.mark.django_db(transaction=True)
NAME = "orders.daily_sales"
TOTAL = Money(Decimal("20.00"), "EUR")
DELIVERIES = Delivery.objects.filter(subscriber=NAME)

# What the log says, counted by PostgreSQL alone.
TRUTH = """
SELECT count(*) FILTER (WHERE event.type = 'order.confirmed'),
       coalesce(sum((event.data->'total'->>'amount')::numeric) FILTER (WHERE event.type = 'order.confirmed'), 0),
       count(*) FILTER (WHERE event.type = 'order.cancelled'), count(*) FILTER (WHERE event.type = 'order.returned'),
       coalesce(sum((event.data->'amount'->>'amount')::numeric) FILTER (
           WHERE event.type = 'payment.refunded' AND EXISTS (
               SELECT FROM events_storedevent sold
               WHERE sold.stream = 'order:' || (event.data->>'orderId') AND sold.type = 'order.confirmed')), 0)
FROM events_storedevent event
"""


def truth() -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE events_storedevent")  # a plan for the few rows of the test before would take minutes
        cursor.execute(TRUTH)
        return tuple(cursor.fetchone())


def counted() -> tuple[Any, ...]:
    """Of the live build, over all days."""
    rows = DailySales.objects.live().values_list("confirmed", "revenue", "cancelled", "returned", "refunded")
    return tuple(sum(column) for column in zip(*rows, strict=True)) if rows else (0,) * 5


def placed(then: str = "confirmed") -> None:
    """An order's own events and its refund, as the log has them; no service takes part."""
    id_ = uuid4()
    item = Item(sku="MUG", quantity=2, unit_price=Money(Decimal("10.00"), "EUR"))
    emit([OrderCreated(order_id=id_, customer_id=uuid4(), items=(item,), total=TOTAL)])
    if then in {"declined", "captured"}:
        emit([OrderCancelled(order_id=id_, reason="card_declined")])
    if then == "captured":
        emit([PaymentRefunded(order_id=id_, amount=TOTAL, refund_id="re-1")])
    if then in {"declined", "captured"}:
        return
    emit([OrderConfirmed(order_id=id_, total=TOTAL)])
    if then in {"cancelled", "stuck"}:
        emit([OrderCancelled(order_id=id_, reason="changed my mind", was_confirmed=True)])
    if then == "items cancelled":
        part = Money(Decimal("10.00"), "EUR")
        emit([
            OrderItemsCancelled(
                order_id=id_, cancellation_id=uuid4(), items=(), refund=part, reason="sold out", complete=True
            ),
            PaymentRefunded(order_id=id_, amount=part, refund_id="re-1", complete=False),
        ])  # fmt: skip
    if then == "cancelled":
        emit([PaymentRefunded(order_id=id_, amount=TOTAL, refund_id="re-1")])
    if then == "returned":
        part = Money(Decimal("5.00"), "EUR")
        emit(
            [
                OrderReturned(order_id=id_, return_id=uuid4(), items=(), refund=part, reason="broken", complete=False),
                PaymentRefunded(order_id=id_, amount=part, refund_id="re-1", complete=False),
            ]
        )


@pytest.fixture(autouse=True)
def shop(mail: Mail) -> Mail:
    """Sagas and mails stand by: these orders are events and nothing else."""
    return mail


def handle(mail: Mail) -> None:
    """All that waits for the read model, in this process."""
    Delivery.objects.exclude(subscriber=NAME).delete()
    while Relay(batch=50, gate=10**9).pump() or mail.deliver():
        pass


def rebuild() -> Replay:
    replay = replays.start(replays.scope(NAME), actor="test")
    return finish(replay)


def finish(replay: Replay, patience: float = 20) -> Replay:
    deadline = time.monotonic() + patience
    while replay.state == "running" and time.monotonic() < deadline:
        overdue()
        continue_replay(patience, replay.id)
        replay.refresh_from_db()
    return replay


def overdue() -> None:
    """As if the lease of whoever is at it had run out."""
    Replay.objects.filter(state="running").update(due_at=timezone.now() - timedelta(seconds=1))


# --- the figures ---------------------------------------------------------------------------------------------


def test_a_day_in_figures(shop: Mail) -> None:
    """What is not back yet ("stuck") and what was never sold ("captured") does not count as refunded."""
    what = ("confirmed", "confirmed", "declined", "cancelled", "returned", "items cancelled", "stuck", "captured")
    for then in what:
        placed(then)
    handle(shop)
    day = DailySales.objects.live().get()
    assert (day.day, day.currency) == (timezone.now().date(), "EUR")
    assert (day.confirmed, day.cancelled, day.returned) == (6, 4, 1)
    assert (day.revenue, day.refunded) == (Decimal("120.00"), Decimal("35.00"))
    assert counted() == truth()


@pytest.mark.parametrize("many", [1, 40])
def test_a_batch_costs_as_many_statements_as_one(shop: Mail, many: int) -> None:
    for _ in range(many):
        placed("cancelled")
    Delivery.objects.exclude(subscriber=NAME).delete()
    Relay(gate=10**9).pump()
    ((task, args),) = shop.messages()
    with CaptureQueriesContext(connection) as captured:
        shop.app.tasks[task](*args)
    work = [query["sql"] for query in captured if not query["sql"].startswith(("BEGIN", "COMMIT"))]
    # Take, hold the build (and make it at the very first), the totals of the cancelled, which of the refunded were
    # sold, one upsert, done.
    assert len(work) <= 8, work


# --- made anew -----------------------------------------------------------------------------------------------


def test_a_rebuild_counts_the_same_and_swaps(shop: Mail) -> None:
    for then in ("confirmed", "declined", "cancelled", "items cancelled", "returned") * 4:
        placed(then)
    handle(shop)
    before = counted()
    replay = rebuild()
    assert (replay.state, replay.build, replay.expected, replay.handled) == ("done", 2, 40, 40)
    assert Build.objects.get(name="orders.DailySales").live == 2
    assert counted() == before == truth()


def test_a_gap_in_the_positions_costs_no_time(shop: Mail) -> None:
    """Positions are a sequence's: an import or a restored copy can set it far ahead."""
    placed()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT setval(pg_get_serial_sequence('events_storedevent', 'position'),"
            " (SELECT max(position) FROM events_storedevent) + 500000000)"
        )
    placed("cancelled")
    handle(shop)
    assert rebuild().state == "done"
    assert counted() == truth()
    assert counted()[0] == 2


def test_a_build_that_went_wrong_is_put_right(shop: Mail) -> None:
    placed()
    handle(shop)
    DailySales.objects.update(confirmed=17)
    rebuild()
    assert counted() == truth()


def test_it_needs_no_delivery_of_the_past(shop: Mail) -> None:
    for _ in range(3):
        placed("cancelled")
    handle(shop)
    Delivery.objects.all().delete()
    rebuild()
    assert counted() == truth()
    assert counted()[0] == 3


def test_what_the_subscriber_missed_by_being_new_is_in_the_rebuild(shop: Mail) -> None:
    placed()
    Delivery.objects.all().delete()  # recorded before anybody listened
    assert counted() == (0,) * 5
    rebuild()
    assert counted() == truth()


@pytest.mark.parametrize("state", ["pending", "dead"])
def test_what_still_waits_counts_once_whenever_it_comes(shop: Mail, state: str) -> None:
    placed()
    handle(shop)
    placed("cancelled")
    DELIVERIES.filter(state="pending").update(state=state)
    rebuild()
    DELIVERIES.exclude(state="done").update(state="pending", due_at=timezone.now())
    handle(shop)
    assert counted() == truth()
    placed()
    handle(shop)
    assert counted() == truth()
    assert not DELIVERIES.exclude(state="done").exists()


def test_what_is_handled_between_the_last_batch_and_the_swap(shop: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the high watermark: done deliveries are counted by the swap, waiting ones by whoever handles them."""
    placed()
    handle(shop)

    def meanwhile(patience: float) -> int | None:
        position = high_watermark(10)
        placed("cancelled")
        handle(shop)
        placed("returned")
        return position

    monkeypatch.setattr(
        "events.replay.rebuild.NEAR", 10**9
    )  # positions go on from test to test: the swap comes at once
    monkeypatch.setattr("events.replay.rebuild.high_watermark", meanwhile)
    assert rebuild().state == "done"
    assert counted() != truth()  # the last one waits
    handle(shop)
    assert counted() == truth()


def test_the_swap_waits_for_who_is_just_handling(shop: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its effect is in the old build, its delivery is not done yet: nobody could tell, so nobody may swap."""
    placed()
    handle(shop)
    counted_by, commit = threading.Event(), threading.Event()

    def work_off() -> None:
        placed("cancelled")
        with transaction.atomic():
            shop.app.tasks[NAME](list(DELIVERIES.filter(state="pending").values_list("id", flat=True)), str(uuid4()))
            counted_by.set()
            commit.wait(20)
        connections.close_all()

    worker = threading.Thread(target=work_off)
    watcher = threading.Thread(target=_when_somebody_waits, args=[commit])

    def meanwhile(patience: float) -> int | None:
        position = high_watermark(10)
        worker.start()
        assert counted_by.wait(10)
        watcher.start()
        return position

    monkeypatch.setattr(
        "events.replay.rebuild.NEAR", 10**9
    )  # positions go on from test to test: the swap comes at once
    monkeypatch.setattr("events.replay.rebuild.high_watermark", meanwhile)
    assert rebuild().state == "done"
    worker.join()
    watcher.join()
    assert counted() == truth()


WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def _when_somebody_waits(then: threading.Event) -> None:
    """For a lock of another; and after some seconds in any case, so that a test fails and does not hang."""
    deadline = time.monotonic() + 5
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(WAITING)
            if cursor.fetchone():
                break
    then.set()
    connections.close_all()


@contextmanager
def an_open_transaction() -> Iterator[threading.Event]:
    """It has its position in the log, and takes its time to commit."""
    appended, finish_ = threading.Event(), threading.Event()

    def write() -> None:
        with transaction.atomic():
            placed()
            appended.set()
            finish_.wait(20)
        connections.close_all()

    writer = threading.Thread(target=write)
    writer.start()
    assert appended.wait(10)
    yield finish_
    finish_.set()
    writer.join()


def test_a_position_that_is_handed_out_and_not_committed_is_waited_for(shop: Mail) -> None:
    with an_open_transaction() as end:
        placed()
        handle(shop)
        replay = replays.start(replays.scope(NAME), actor="test")
        assert continue_replay(5, replay.id) is False
        replay.refresh_from_db()
        assert (replay.state, replay.boundary) == ("running", None)
        end.set()
    assert finish(replay).state == "done"
    handle(shop)
    assert counted()[0] == 2
    assert counted() == truth()


def test_transactions_that_write_elsewhere_hold_nothing_back(shop: Mail) -> None:
    placed()
    begun, end = threading.Event(), threading.Event()

    def write() -> None:
        with transaction.atomic():
            Build.objects.create(name="somebody else's")
            begun.set()
            end.wait(20)
        connections.close_all()

    writer = threading.Thread(target=write)
    writer.start()
    begun.wait(10)
    replay = replays.start(replays.scope(NAME), actor="test")
    continue_replay(5, replay.id)
    replay.refresh_from_db()
    end.set()
    writer.join()
    assert replay.state == "done"


def test_under_load_nothing_is_missed_and_nothing_counts_twice(shop: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four write, with commits out of order, two handle, and it is made anew again and again."""
    monkeypatch.setattr("events.replay.rebuild.NEAR", 50)
    for _ in range(20):
        placed("cancelled")
    stop, errors = threading.Event(), []

    def forever(work: Any) -> None:
        try:
            while not stop.is_set():
                work()
        except BaseException as error:  # noqa: BLE001
            errors.append(error)
        finally:
            connections.close_all()

    def write() -> None:
        with transaction.atomic():
            placed("returned")
            stop.wait(0.002 * (threading.get_ident() % 7))

    def work_off() -> None:
        due = list(DELIVERIES.filter(state="pending").values_list("id", flat=True)[:30])
        shop.app.tasks[NAME](due, str(uuid4()))

    crew = [threading.Thread(target=forever, args=[work]) for work in (write, write, write, write, work_off, work_off)]
    for one in crew:
        one.start()
    try:
        states = [rebuild().state for _ in range(6)]
    finally:
        stop.set()
        for one in crew:
            one.join()
    assert errors == []
    assert states == ["done"] * 6
    handle(shop)
    assert counted() == truth()
    assert counted()[0] > 100


# --- interrupted ---------------------------------------------------------------------------------------------

MANY = """
WITH shop AS (SELECT gen_random_uuid() AS id FROM generate_series(1, %s)),
placed AS (
    INSERT INTO events_storedevent (event_id, stream, stream_version, type, version, data, source, actor,
                                    correlation_id, causation_id, traceparent, time)
    SELECT gen_random_uuid(), 'order:' || id, 1, 'order.created', '1.0', jsonb_build_object('total',
           '{"amount": "20.00", "currency": "EUR"}'::jsonb), 'order-service', '', '', '', '', now() FROM shop)
INSERT INTO events_storedevent (event_id, stream, stream_version, type, version, data, source, actor,
                                correlation_id, causation_id, traceparent, time)
SELECT gen_random_uuid(), 'order:' || id, 2, 'order.confirmed', '1.0', jsonb_build_object('orderId', id, 'total',
       '{"amount": "20.00", "currency": "EUR"}'::jsonb), 'order-service', '', '', '', '', now() FROM shop
"""


def long_past(orders: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(MANY, [orders])


def test_kill_9_in_the_middle_and_another_goes_on(shop: Mail) -> None:
    long_past(40_000)
    database = {**os.environ, "DATABASE_URL": _url()}
    command = [sys.executable, "manage.py", "replay", NAME, "--yes"]
    process = subprocess.Popen(command, cwd=PROJECT, env=database, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while not Replay.objects.filter(handled__gte=5_000).exists():
            assert process.poll() is None, process.communicate()[0].decode()
            assert time.monotonic() < deadline
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    replay = Replay.objects.get()
    assert replay.state == "running"
    assert 5_000 <= replay.handled < 40_000
    if replay.lease:  # it was not between two turns
        assert continue_replay(1, replay.id) is False
    assert finish(replay, 60).state == "done"
    assert replay.handled == 40_000
    assert counted() == truth() == (40_000, 800_000, 0, 0, 0)


def _url() -> str:
    """Of the test database, for another process."""
    database = connection.settings_dict
    return (
        f"postgres://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    )


def test_an_event_that_cannot_be_counted_fails_the_rebuild_and_not_the_live_figures(shop: Mail) -> None:
    placed()
    handle(shop)
    live = counted()
    orphan = OrderCancelled(order_id=uuid4(), reason="x")  # of an order that was never placed
    with transaction.atomic():
        append([(orphan, 7)])
    replay = replays.start(replays.scope(NAME), actor="test")
    finish(replay)
    assert (replay.state, replay.attempts) == ("failed", 8)
    assert replay.error == f"KeyError: {orphan.order_id!r}"
    assert counted() == live
    assert retention.prune()["read models"] == 0  # it had counted nothing before


def test_a_stopped_rebuild_leaves_everything_as_it_was(shop: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("events.replay.rebuild.NEAR", 0)
    placed()
    handle(shop)
    replay = replays.start(replays.scope(NAME), actor="test")
    continue_replay(0.001, replay.id)
    replays.stop(replay.id, actor="test")
    assert continue_replay(5, replay.id) is False
    assert Build.objects.get(name="orders.DailySales").live == 1
    assert counted() == truth()


def test_builds_that_nobody_reads_are_forgotten(shop: Mail) -> None:
    placed()
    handle(shop)
    rebuild()
    assert rebuild().build == 3
    making = replays.start(replays.scope(NAME), actor="test").build or 0
    DailySales.objects.create(
        build=making, day=timezone.now().date(), currency="USD", confirmed=0, revenue=0, cancelled=0,
        returned=0, refunded=0,
    )  # fmt: skip
    assert retention.prune()["read models"] == 2
    assert set(DailySales.objects.values_list("build", flat=True)) == {3, making}
    assert counted() == truth()


def test_only_whoever_listens_to_replays_is_rebuilt() -> None:
    with pytest.raises(Refused, match="only be rebuilt from the whole log"):
        replays.scope(NAME, since=timezone.now())
    assert daily_sales.__doc__
