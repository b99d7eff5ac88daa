"""What goes into the log comes out of it, typed and checked."""

import json
from decimal import Decimal
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import Event, Money, UnknownEvent
from events.declare.codec import decode, encode
from orders.events import Item, OrderCreated

amounts = st.decimals(0, 10**10, places=2)
monies = st.builds(Money, amount=amounts, currency=st.sampled_from(["EUR", "USD", "JPY"]))
items = st.builds(Item, sku=st.text(), quantity=st.integers(1, 10_000), unit_price=monies)
created = st.builds(
    OrderCreated,
    order_id=st.uuids(),
    customer_id=st.uuids(),
    items=st.lists(items, max_size=5).map(tuple),
    total=monies,
)


@given(created)
def test_an_event_survives_the_wire(event):
    assert decode(event.type, event.version, encode(event)) == event


def test_the_wire_is_camel_case_with_money_as_text():
    event = OrderCreated(order_id=UUID(int=1), customer_id=UUID(int=2), items=(), total=Money(Decimal("19.90"), "EUR"))
    assert json.loads(encode(event)) == {
        "orderId": "00000000-0000-0000-0000-000000000001",
        "customerId": "00000000-0000-0000-0000-000000000002",
        "items": [],
        "total": {"amount": "19.90", "currency": "EUR"},
    }


def test_the_stream_is_the_kind_and_the_id():
    order_id = uuid4()
    event = OrderCreated(order_id=order_id, customer_id=uuid4(), items=(), total=Money(Decimal(1), "EUR"))
    assert event.stream == f"order:{order_id}"


@pytest.mark.parametrize(
    "data", ["[1]", "{}", '{"orderId": 1}', "nonsense", '{"orderId": "x", "customerId": "y", "items": [], "total": 1}']
)
def test_what_does_not_fit_is_refused(data):
    with pytest.raises(msgspec.DecodeError):
        decode("order.created", "1.0", data)


def test_a_newer_minor_version_decodes_an_older_one():
    class Tested(Event, type="codec_test.happened", version="1.0", stream="thing"):
        thing: str

    class TestedLater(Event, type="codec_test.happened", version="1.2", stream="thing"):
        thing: str
        colour: str = "red"

    assert decode("codec_test.happened", "1.1", '{"thing": "a", "more": 1}') == TestedLater(thing="a")
    assert isinstance(decode("codec_test.happened", "1.0", '{"thing": "a"}'), Tested)


def test_an_undeclared_type_says_so():
    with pytest.raises(UnknownEvent, match="order.teleported"):
        decode("order.teleported", "1.0", "{}")
