"""The kit for tests: what it runs is real, and where it fails a person can read why."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import TransactionTestCase

from events import Money, Refused
from events.declare.queues import STREAMS
from events.declare.routing import assign
from events.log.append import emit, read
from events.log.fold import fold
from events.models import Delivery, StoredEvent
from events.testing import Broker, Deliveries, NotAtRest, TaskFailed, drain, given, like
from inventory.events import InventoryReserved
from inventory.models import Reservation
from orderproject.celery import app
from orders.events import Item, OrderCancelled, OrderConfirmed, OrderCreated, OrderDelivered
from orders.evolve import OrderState
from orders.models import IllegalTransition, Order
from tests.integration import ailing, rumours
from tests.integration.listeners import Rang
from tests.integration.rumours import Denied, Heard

on_rows = pytest.mark.django_db
committed = pytest.mark.django_db(transaction=True)
EUR = "EUR"
TOTAL = Money(Decimal("19.80"), EUR)


@pytest.fixture(autouse=True)
def _nobody_fails() -> None:
    rumours.failures.clear()


def an_order() -> Order:
    item = Item(sku="MUG", quantity=2, unit_price=Money(Decimal("9.90"), EUR))
    return Order.place(
        customer_id=uuid4(), email="ada@example.com", payment_token="tok_visa", shipping_address={}, items=(item,)
    )


def said(failed: pytest.ExceptionInfo[AssertionError]) -> list[str]:
    return [line.strip() for line in str(failed.value).splitlines()]


# --- given, when, expect -------------------------------------------------------------------------------------


@on_rows
def test_a_command_records_what_is_expected():
    order = an_order()
    then = given(order).when(order.confirm).expect(OrderConfirmed(order_id=order.id, total=TOTAL))
    assert [event.type for event in then.events] == ["order.confirmed"]
    assert Order.objects.get().status == "confirmed"
    assert [event.type for event in read([order.stream])] == ["order.created", "order.confirmed"]


@on_rows
def test_a_command_is_any_callable_and_its_result_is_kept():
    order_id = uuid4()
    then = given().when(lambda: emit([OrderConfirmed(order_id=order_id, total=TOTAL)])).expect(OrderConfirmed)
    assert isinstance(then.result, list)


@on_rows
def test_a_given_event_goes_to_the_log_and_is_not_among_the_new_ones():
    order_id = uuid4()
    given(OrderDelivered(order_id=order_id)).when(lambda: None).expect()
    assert StoredEvent.objects.get().stream == f"order:{order_id}"


@on_rows
def test_nothing_happens_before_something_is_expected():
    order = an_order()
    given(order).when(order.confirm)
    assert not Order.objects.exists()
    assert order.status == "pending"


@on_rows
def test_another_event_than_expected_is_shown_beside_it():
    order = an_order()
    with pytest.raises(AssertionError) as failed:
        given(order).when(lambda: order.cancel("too late")).expect(like(OrderConfirmed, total=TOTAL))
    first, *lines = said(failed)
    assert first == "Other events were recorded than expected:"
    assert (
        lines[0] == "- order.confirmed(total=Money(amount=Decimal('19.80'), currency='EUR'))  (expected, not recorded)"
    )
    assert lines[1].startswith(f"+ order.cancelled(order_id={order.id!r}, reason='too late', detail=''")


@on_rows
def test_a_field_that_differs_is_named_and_those_that_are_not_asked_for_are_not():
    order = an_order()
    with pytest.raises(AssertionError) as failed:
        given(order).when(lambda: order.cancel("too late", "by far")).expect(like(OrderCancelled, reason="too soon"))
    assert said(failed)[1:] == ["! order.cancelled: reason is 'too late', expected 'too soon'"]


@on_rows
@pytest.mark.parametrize("missing", [True, False], ids=["too few", "too many"])
def test_the_number_of_events_counts(missing: bool):
    order = an_order()
    expected = (OrderConfirmed, OrderCancelled) if missing else ()
    with pytest.raises(AssertionError) as failed:
        given(order).when(order.confirm).expect(*expected)
    if missing:
        assert said(failed)[1:] == ["order.confirmed", "- order.cancelled  (expected, not recorded)"]
    else:
        assert said(failed)[1].startswith("+ order.confirmed(")


@on_rows
def test_the_order_of_events_counts_unless_it_is_said_not_to():
    order_id = uuid4()

    def both() -> None:
        emit([OrderConfirmed(order_id=order_id, total=TOTAL), OrderCancelled(order_id=order_id, reason="no")])

    swapped: tuple[Any, ...] = (like(OrderCancelled, reason="no"), OrderConfirmed)
    given().when(both).expect(*swapped, in_any_order=True)
    with pytest.raises(AssertionError, match=r"\+ order\.confirmed\("):
        given().when(both).expect(*swapped)
    with pytest.raises(AssertionError, match="reason is 'no', expected 'yes'"):
        given().when(both).expect(like(OrderCancelled, reason="yes"), OrderConfirmed, in_any_order=True)


def test_a_field_that_an_event_does_not_have_is_refused():
    with pytest.raises(TypeError, match="OrderConfirmed has no field totale: use one of order_id, total"):
        like(OrderConfirmed, totale=TOTAL)


@on_rows
def test_an_error_of_a_command_is_raised_as_it_is():
    with pytest.raises(ZeroDivisionError):
        given().when(lambda: 1 // 0).expect(OrderConfirmed)


# --- refusals ------------------------------------------------------------------------------------------------


def refuse(code: str = "sold-out") -> None:
    raise Refused(code, "None is left.")


@on_rows
def test_a_refusal_by_its_code_or_by_its_type():
    assert str(given().when(refuse).expect_refusal("sold-out")) == "None is left."
    order = an_order()
    given(order).when(order.deliver).expect_refusal(IllegalTransition, saying="cannot become delivered")


@on_rows
def test_another_refusal_fails_with_both_codes():
    with pytest.raises(AssertionError, match="Expected the refusal 'too-late'; it is 'sold-out': None is left."):
        given().when(refuse).expect_refusal("too-late")


@on_rows
def test_a_refusal_that_says_something_else_fails():
    with pytest.raises(AssertionError, match="that says 'come back'; it says 'None is left.'"):
        given().when(refuse).expect_refusal("sold-out", saying="come back")


@on_rows
def test_what_is_not_refused_fails_with_what_it_recorded():
    order = an_order()
    with pytest.raises(AssertionError, match="but it was not refused. It recorded:\n  order.confirmed\\("):
        given(order).when(order.confirm).expect_refusal("too-late")


@on_rows
def test_what_is_refused_and_records_all_the_same_fails():
    def half_done() -> None:
        emit([OrderDelivered(order_id=uuid4())])
        refuse()

    with pytest.raises(AssertionError, match="It was refused, and still recorded:\n  order.delivered\\("):
        given().when(half_done).expect_refusal("sold-out")


@on_rows
def test_an_error_that_is_no_refusal_is_raised_as_it_is():
    with pytest.raises(ZeroDivisionError):
        given().when(lambda: 1 // 0).expect_refusal("sold-out")


# --- the pure fold -------------------------------------------------------------------------------------------


def created(order_id: UUID) -> OrderCreated:
    return OrderCreated(order_id=order_id, customer_id=order_id, items=(), total=TOTAL)


def test_events_make_a_state_without_a_database():
    order_id = uuid4()
    history = [created(order_id), OrderConfirmed(order_id=order_id, total=TOTAL)]
    given(*history).expect_state(Order.evolve, status="confirmed", total=TOTAL)
    folded = fold(Order.evolve, history)
    given(*history).expect_state(Order.evolve, folded)
    given(an_order()).expect_state(Order.evolve, status="pending")


def test_a_field_of_the_state_may_have_any_name():
    given(InventoryReserved(order_id=uuid4(), allocations=())).expect_state(Reservation.evolve, state="held")


def test_to_expect_nothing_of_a_state_is_an_error():
    with pytest.raises(TypeError, match="nothing to compare: pass the state, or some of its fields"):
        given(created(uuid4())).expect_state(Order.evolve)


def test_another_state_than_expected_is_named_by_field():
    with pytest.raises(AssertionError) as failed:
        given(created(uuid4())).expect_state(Order.evolve, status="confirmed", colour="red")
    assert said(failed)[1:] == [
        "status is 'pending', expected 'confirmed'",
        "colour is 'not there', expected 'red'",
    ]
    with pytest.raises(AssertionError, match="The events make another state"):
        given(created(uuid4())).expect_state(Order.evolve, OrderState(uuid4(), TOTAL, ()))


# --- drain ---------------------------------------------------------------------------------------------------


@committed
def test_an_event_is_handled_and_so_is_what_its_handlers_record(broker: Broker):
    rumour = uuid4()
    then = (
        given(Heard(rumour_id=rumour, listeners=0))
        .when(Heard(rumour_id=rumour, listeners=2))
        .expect(like(Heard, listeners=1), like(Heard, listeners=0))
    )
    assert then.result == ["tests.pass_on"] * 3
    assert drain() == []


@committed
def test_what_never_ends_is_an_error_that_names_it(broker: Broker):
    emit([Heard(rumour_id=uuid4(), listeners=10**6)])
    with pytest.raises(NotAtRest) as failed:
        drain(limit=10)
    assert "not at rest after 10 rounds" in str(failed.value)
    assert "The last tasks: tests.pass_on\n" in str(failed.value)
    assert "-> tests.pass_on: pending" in str(failed.value)
    assert Delivery.objects.count() == 11


@committed
def test_what_waits_for_another_attempt_stays_until_it_is_asked_for(broker: Broker, deliveries: Deliveries):
    rumours.failures.extend([OSError("hoarse"), OSError("hoarse again")])
    emit([Denied(rumour_id=uuid4(), by="ada")])
    assert drain() == ["tests.deny"]
    deliveries.expect("tests.deny", Denied, "pending", attempts=1, error="OSError: hoarse")
    assert drain() == []
    assert drain(through_retries=True) == ["tests.deny"] * 2
    deliveries.expect("tests.deny", Denied, attempts=2)


@committed
def test_messages_that_are_lost_are_sent_again_by_rows(broker: Broker, deliveries: Deliveries):
    emit([Denied(rumour_id=uuid4(), by="ada")])
    assert drain(losing={"tests.deny"}) == []
    deliveries.expect("tests.deny", Denied, "pending", attempts=0)
    assert drain() == [], "the lease of the lost message has not run out"
    assert drain(through_retries=True) == ["tests.deny"]
    deliveries.expect_all_done()


@committed
def test_what_a_breaker_postpones_again_and_again_is_an_error(broker: Broker, monkeypatch: pytest.MonkeyPatch):
    ailing.SERVER.report(ailing.SERVER.permit(10), 0, 10)
    monkeypatch.setattr(ailing, "away", [True])
    emit([ailing.Knocked(door_id=uuid4())])
    with pytest.raises(NotAtRest, match=r"-> tests\.answer_doors: pending"):
        drain(through_retries=True, limit=5)


@on_rows
def test_inside_a_transaction_it_says_what_to_do():
    with pytest.raises(RuntimeError, match=r"django_db\(transaction=True\)"):
        drain()


@committed
def test_deliveries_to_a_subscriber_that_is_gone_are_left_alone(broker: Broker):
    emit([Denied(rumour_id=uuid4(), by="ada")])
    Delivery.objects.update(subscriber="tests.gone")
    assert drain(through_retries=True) == []


# --- the broker and its tasks --------------------------------------------------------------------------------


@committed
def test_an_ordinary_task_that_raises_is_told_with_its_cause(broker: Broker):
    app.send_task("tests.gossip", kwargs={"about": "me"})
    assert drain() == ["tests.gossip"]
    app.send_task("tests.gossip", kwargs={"about": "you"})
    with pytest.raises(TaskFailed, match="tests.gossip raised ValueError") as failed:
        drain()
    assert isinstance(failed.value.__cause__, ValueError)


@committed
def test_a_task_that_nobody_declared_is_told(broker: Broker):
    assign("tests.unheard_of", STREAMS)
    app.send_task("tests.unheard_of")
    with pytest.raises(TaskFailed, match=r"no task 'tests.unheard_of' is declared: import the module"):
        drain()


@committed
def test_a_link_goes_on_with_its_next_task(broker: Broker):
    rumours.gossip.si(about="me").apply_async(link=rumours.gossip.si(about="her"))
    assert drain() == ["tests.gossip"] * 2


def test_messages_can_be_taken_apart(broker: Broker):
    app.send_task("tests.gossip", kwargs={"about": "me"})
    (message,) = broker.take()
    assert (message.task, message.queue, message.kwargs) == ("tests.gossip", "streams", {"about": "me"})
    assert broker.take() == []
    message.run()


# --- deliveries ----------------------------------------------------------------------------------------------


@committed
def test_deliveries_are_read_from_the_rows(broker: Broker, deliveries: Deliveries):
    recorded = emit([Denied(rumour_id=uuid4(), by="nobody"), Denied(rumour_id=uuid4(), by="ada")])
    drain()
    dead, done = deliveries.of()
    assert (dead.outcome, dead.attempts, dead.error) == ("dead", 1, "Refused: Nobody can deny anything.")
    assert (done.outcome, done.attempts, done.error) == ("done", 0, "")
    assert [dead.event_id, done.event_id] == [one.event_id for one in recorded]
    assert str(dead) == (
        f"rumour.denied {recorded[0].event.stream} -> tests.deny: dead after 1 failed attempt: "
        "Refused: Nobody can deny anything."
    )
    assert deliveries.of("tests.pass_on") == deliveries.of(event=Rang) == []


@committed
def test_a_dead_delivery_is_reported(broker: Broker, deliveries: Deliveries):
    emit([Denied(rumour_id=uuid4(), by="nobody")])
    drain()
    deliveries.expect("tests.deny", "rumour.denied", "dead", error="Nobody can deny")
    with pytest.raises(AssertionError, match="every delivery to be done; these are not:\n  rumour.denied") as failed:
        deliveries.expect_all_done()
    assert "dead after 1 failed attempt: Refused: Nobody can deny anything." in str(failed.value)


@committed
@pytest.mark.parametrize(
    "otherwise",
    [{"outcome": "dead"}, {"times": 2}, {"attempts": 1}, {"error": "hoarse"}, {"subscriber": "tests.other"}],
    ids=lambda one: next(iter(one)),
)
def test_a_delivery_that_is_not_as_expected_is_shown(broker: Broker, deliveries: Deliveries, otherwise: dict[str, Any]):
    emit([Denied(rumour_id=uuid4(), by="ada")])
    drain()
    asked: dict[str, Any] = {"subscriber": "tests.deny", "event": Denied, **otherwise}
    with pytest.raises(AssertionError) as failed:
        deliveries.expect(**asked)
    assert said(failed)[0].startswith("Expected ")
    assert said(failed)[-1].endswith("-> tests.deny: done")


@committed
def test_none_means_none(broker: Broker):
    before = Deliveries()
    before.expect_none()
    emit([Denied(rumour_id=uuid4(), by="ada")])
    Deliveries().expect_none()
    before.expect_none("tests.pass_on")
    before.expect_none(event=Heard)
    with pytest.raises(AssertionError, match="Expected no such delivery:\n  rumour.denied"):
        before.expect_none("tests.deny")
    assert "There are no deliveries." in str(Deliveries())


class WithoutPytestTest(TransactionTestCase):
    """The kit in a test case of Django's own."""

    def setUp(self) -> None:
        Broker().empty()
        self.deliveries = Deliveries()

    def test_an_event_is_delivered(self) -> None:
        given().when(Denied(rumour_id=uuid4(), by="ada")).expect()
        self.deliveries.expect("tests.deny", Denied)
