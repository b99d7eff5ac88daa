"""Wrong declarations fail where they are written, with a sentence that names the place."""

from collections.abc import Sequence

import pytest

from events import DeclarationError, Event
from events.declare.read_model import ReadModel
from events.declare.routing import route
from events.delivery.subscribe import subscribe
from orders.events import ORDERS, OrderConfirmed, OrderCreated
from orders.models import DailySales
from sagas import Call, Pivot, Step, Together
from sagas.decorators import action
from sagas.saga import Saga


def test_two_events_of_one_type_and_version():
    class First(Event, type="declared.twice", version="1.0", stream="thing"):
        thing: str

    with pytest.raises(DeclarationError, match=r"Second: declared.twice 1.0 is already declared by .*First"):

        class Second(Event, type="declared.twice", version="1.0", stream="thing"):
            thing: str


@pytest.mark.parametrize(
    ("keywords", "complaint"),
    [
        ({"type": "Wrong", "version": "1.0", "stream": "thing"}, "type='Wrong' must look like"),
        ({"type": "a.b", "version": "one", "stream": "thing"}, "version='one' must look like"),
        ({"type": "a.b", "version": "1.0", "stream": "nothing"}, "stream='nothing' must name one of its fields"),
        ({}, "type='' must look like"),
    ],
)
def test_an_event_that_is_named_wrongly(keywords, complaint):
    with pytest.raises(DeclarationError, match=complaint) as caught:

        class Wrong(Event, **keywords):
            thing: str

    assert "test_declarations.Wrong" in str(caught.value)


def test_an_event_whose_field_hides_what_every_event_has():
    with pytest.raises(DeclarationError, match="version cannot be a field"):

        class Hiding(Event, type="declared.hiding", version="1.0", stream="thing"):
            thing: str
            version: str  # type: ignore[misc]


def test_a_subscriber_of_an_undeclared_event():
    with pytest.raises(DeclarationError, match=r"listen: subscribes to .*str.* not a declared event"):

        @subscribe(str, queue=ORDERS)  # type: ignore[arg-type]
        def listen(event: object) -> None: ...


def test_a_subscriber_on_an_unknown_queue():
    with pytest.raises(DeclarationError, match="listen: queue='odrers' is unknown; declare it"):

        @subscribe(OrderCreated, queue="odrers")  # type: ignore[arg-type]
        def listen(event: OrderCreated) -> None: ...


def test_a_subscriber_that_takes_the_wrong_arguments():
    with pytest.raises(DeclarationError, match="it must take the event and, if wanted, `key`"):

        @subscribe(OrderCreated, queue=ORDERS)
        def listen(event: OrderCreated, keys: object) -> None: ...


def test_a_task_without_a_queue():
    with pytest.raises(DeclarationError, match="no queue is declared for the task orders.unheard_of"):
        route("orders.unheard_of", (), {}, {})


def test_a_step_without_a_name():
    with pytest.raises(DeclarationError, match="test_declarations.*a step needs a name"):
        action(queue=ORDERS)(lambda calls: None)
    with pytest.raises(DeclarationError, match="has no name"):
        Step()


def test_a_step_that_is_no_action():
    def plain(calls: Sequence[Call]) -> None: ...

    with pytest.raises(DeclarationError, match="is no action: decorate it"):
        Step(plain)  # type: ignore[arg-type]


@action(queue=ORDERS)
def pack(calls: Sequence[Call]) -> None:
    """For the sagas below."""


@action(queue=ORDERS)
def send(calls: Sequence[Call]) -> None:
    """For the sagas below."""


def test_an_action_on_an_unknown_queue():
    with pytest.raises(DeclarationError, match="queue='moon' is unknown"):

        @action(queue="moon")  # type: ignore[arg-type]
        def fly(calls: Sequence[Call]) -> None: ...


def test_a_saga_with_two_steps_of_one_name():
    with pytest.raises(DeclarationError, match="Twice: needs at least one step, and no two of the same name"):

        class Twice(Saga, on=OrderConfirmed):
            stages = (Step(pack), Step(pack))


def test_a_pivot_beside_a_step_that_may_be_undone():
    with pytest.raises(DeclarationError, match="a stage is all pivots or has none"):

        class Beside(Saga, on=OrderConfirmed):
            stages = (Together(Pivot(send), Step(pack)),)


def test_a_saga_that_turns_back_behind_its_pivot():
    with pytest.raises(DeclarationError, match="pack stands behind a pivot"):

        class Behind(Saga, on=OrderConfirmed):
            stages = (Pivot(send), Step(pack))


def test_a_saga_whose_part_the_event_does_not_have():
    with pytest.raises(DeclarationError, match="part='parcel_id' must name a field of OrderConfirmed"):

        class Parcel(Saga, on=OrderConfirmed, part="parcel_id"):
            stages = (Pivot(send),)


def test_a_read_model_that_could_not_be_rebuilt():
    class Count(ReadModel):
        class Meta:
            app_label = "tests"

    with pytest.raises(DeclarationError, match="read_model needs replay=True, atomic=True, a batch, and no at_relay"):

        @subscribe(OrderConfirmed, queue=ORDERS, batch=5, read_model=Count)
        def count(events: Sequence[OrderConfirmed], build: int) -> None: ...

    with pytest.raises(DeclarationError, match="with read_model it must take `build`"):

        @subscribe(OrderConfirmed, queue=ORDERS, batch=5, replay=True, read_model=Count)
        def count_on(events: Sequence[OrderConfirmed]) -> None: ...

    with pytest.raises(DeclarationError, match="if wanted, `keys`, `times`"):

        @subscribe(OrderConfirmed, queue=ORDERS, batch=5, replay=True)
        def count_in_vain(events: Sequence[OrderConfirmed], build: int) -> None: ...


def test_two_subscribers_of_one_read_model():
    with pytest.raises(DeclarationError, match=r"the read model belongs to orders.daily_sales"):

        @subscribe(OrderConfirmed, queue=ORDERS, batch=5, replay=True, read_model=DailySales)
        def sales_too(events: Sequence[OrderConfirmed], build: int) -> None: ...


def test_a_subscriber_of_nothing():
    with pytest.raises(DeclarationError, match="listen: subscribes to no event"):

        @subscribe(queue=ORDERS)
        def listen(event: object) -> None: ...
