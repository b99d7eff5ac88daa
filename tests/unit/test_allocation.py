"""Holds over several warehouses, without a database."""

from hypothesis import given
from hypothesis import strategies as st

from inventory.allocation import Shelf, Shelves
from inventory.events import Shortage


def shelves(**available: list[int]) -> Shelves:
    return Shelves(
        {
            sku: [Shelf(number, sku, f"W{number}", amount) for number, amount in enumerate(amounts)]
            for sku, amounts in available.items()
        }
    )


def test_the_first_warehouse_is_emptied_first():
    portions = shelves(MUG=[3, 5]).allocate([("MUG", 4)])
    assert [(one[0].warehouse, one[1]) for one in portions if isinstance(one, tuple)] == [("W0", 3), ("W1", 1)]


def test_all_lines_or_none():
    stock = shelves(MUG=[3], POT=[1])
    assert stock.allocate([("MUG", 1), ("POT", 2)]) == [Shortage(sku="POT", wanted=2, available=1)]
    assert stock.available("MUG") == 3


def test_what_nobody_has_is_short():
    assert shelves().allocate([("MUG", 1)]) == [Shortage(sku="MUG", wanted=1, available=0)]


@given(st.lists(st.integers(0, 20), min_size=1, max_size=4), st.lists(st.integers(1, 15), max_size=20))
def test_never_more_than_there_is(available, wanted):
    stock = shelves(MUG=list(available))
    for quantity in wanted:
        outcome = stock.allocate([("MUG", quantity)])
        if not isinstance(outcome[0], Shortage):
            assert sum(one[1] for one in outcome if isinstance(one, tuple)) == quantity
    taken = sum(shelf.taken for shelf in stock.by_sku["MUG"])
    assert taken + stock.available("MUG") == sum(available)
    assert all(shelf.available >= 0 for shelf in stock.by_sku["MUG"])
