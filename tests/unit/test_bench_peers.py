"""What can be told of the peers without running them."""

from decimal import Decimal

import pytest

from bench.peers.whole import gateway
from bench.peers.whole.baskets import Basket, Item, baskets
from bench.peers.whole.runs import cpu
from bench.peers.whole.sweep import GRIDS, PACKAGES, combinations


def test_a_basket_has_two_skus_and_is_the_same_for_the_same_seed():
    first, again, other = (list(baskets(50, seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert all(len({item.sku for item in basket.items}) == 2 for basket in first)
    assert [item.quantity for item in first[0].items] == [1, 2]


def test_the_total_counts_quantities():
    basket = Basket((Item("A", 1, Decimal("5.90")), Item("B", 2, Decimal("7.90"))))
    assert basket.total == Decimal("21.70")


def test_the_gateway_is_the_one_that_the_environment_names(monkeypatch):
    monkeypatch.delenv(gateway.ADDRESS, raising=False)
    assert isinstance(gateway.chosen(), gateway.InProcess)
    for name, value in gateway.environment("http://127.0.0.1:9/").items():
        monkeypatch.setenv(name, value)
    with pytest.raises(gateway.GatewayUnavailable):
        gateway.chosen().capture("auth-1", key="capture-1")


def test_an_account_that_is_not_complete_gives_no_figure():
    assert cpu(None, 3.0, 100) == {}
    assert cpu(1.0, 3.0, 100) == {"cpu_ms_per_order": 20.0}


def test_a_sweep_tries_every_combination_but_what_is_fixed():
    assert set(GRIDS) == set(PACKAGES)
    grid = {"--threads": ("2", "4"), "--polling": ("0.1", "0.2", "0.5")}
    assert len(combinations(grid, [])) == 6
    assert combinations(grid, ["polling=0.2"]) == [
        ("--threads", "2", "--polling", "0.2"),
        ("--threads", "4", "--polling", "0.2"),
    ]
