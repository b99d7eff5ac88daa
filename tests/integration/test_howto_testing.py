"""The examples in docs/howto/test-your-events.md are tests: each block of code on the page is a module of its own."""

import re
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from events import Money
from events.testing import given, like
from orderproject.stack.processes import PROJECT
from orders.events import Item, OrderCancelled, OrderConfirmed
from orders.models import Order

PAGE = PROJECT / "docs" / "howto" / "test-your-events.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    """Each with as many empty lines before it as it has on the page, so that a traceback points to the right one."""
    text = PAGE.read_text()
    found = [match for match in BLOCK.finditer(text) if match[1] == language]
    return ["\n" * text.count("\n", 0, match.start(2)) + match[2] for match in found]


def executed(source: str) -> dict[str, Any]:
    module: dict[str, Any] = {"__name__": __name__}
    exec(compile(source, str(PAGE), "exec"), module)  # noqa: S102  the project's own page
    return module


MODULES = [executed(source) for source in blocks("python")]


def marked(name: str, member: Any, module: dict[str, Any]) -> Any:
    """With the marks of its module, which pytest would look for in this one."""
    if name.startswith("test_"):
        marks = module.get("pytestmark", [])
        for mark in marks if isinstance(marks, list) else [marks]:
            member = mark(member)
    return member


def collected() -> dict[str, Any]:
    """The tests and the fixtures of all blocks."""
    fixture: Any = type(pytest.fixture(lambda: None))
    names: dict[str, Any] = {}
    for module in MODULES:
        for name, member in module.items():
            if name.startswith("test_") or isinstance(member, fixture):
                assert name not in names, f"{PAGE.name} has {name} twice"
                names[name] = marked(name, member, module)
    return names


globals().update(collected())


def test_every_example_is_a_test():
    tests = [name for module in MODULES for name in module if name.startswith("test_")]
    assert len(tests) >= 11
    assert all(name in globals() for name in tests)
    assert sum(any(name.startswith("test_") for name in module) for module in MODULES) == 4


def test_the_set_up_on_the_page_is_that_of_these_tests():
    (line,) = [source.strip() for source in blocks("python") if "pytest_plugins" in source]
    assert line in (PROJECT / "tests" / "conftest.py").read_text().splitlines()


@pytest.mark.django_db
def test_the_failure_on_the_page_is_what_the_kit_says():
    item = Item(sku="MUG", quantity=2, unit_price=Money(Decimal("9.90"), "EUR"))
    order = Order.place(customer_id=uuid4(), email="a@b.com", payment_token="t", shipping_address={}, items=(item,))

    def confirmed_and_cancelled() -> None:
        order.confirm()
        order.cancel("changed-mind")

    with pytest.raises(AssertionError) as failed:
        given(order).when(confirmed_and_cancelled).expect(OrderConfirmed, like(OrderCancelled, reason="card_declined"))
    assert [str(failed.value)] == [text.strip("\n") for text in blocks("text")]
