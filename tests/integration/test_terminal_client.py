"""The terminal client cancels what is unshipped, after it has shown what that is and what it refunds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orderproject.accounts.auth import access_token
from orderproject.demo import client as terminal
from orderproject.demo.shop import Session
from orders.events import Goods
from orders.fulfilment.service import ship
from orders.models import Order
from tests import stories
from tests.integration.api import user

pytestmark = pytest.mark.django_db(transaction=True)
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def order() -> Order:
    """Of two lines of two; one piece is shipped."""
    order = stories.confirmed(lines=2)  # type: ignore[arg-type]
    ship(order.id, [Goods(sku="MUG-0", quantity=1)], carrier="DHL", tracking_number="1")
    return order


@pytest.fixture
def run(live_server: Any, order: Order, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """As the order's customer. Returns the exit code, and what was printed on stdout and stderr."""
    customer = user("ada", id=order.customer_id)
    session = Session(tmp_path / "session.json")
    session.save(url=live_server.url, access=str(access_token(customer)), refresh="")

    def run(*arguments: str) -> tuple[int, str, str]:
        code = terminal.main(arguments, session)
        return code, *capsys.readouterr()

    return run


def status(order: Order) -> str:
    return Order.objects.get(id=order.id).status


def test_it_asks_first(run: Run, order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    answers = iter(["n", "y"])
    monkeypatch.setattr("builtins.input", lambda question: next(answers))
    code, shown, error = run("cancel", str(order.id))
    assert (code, error) == (1, "Nothing was cancelled.\n")
    for line in ("1 x MUG-0", "2 x MUG-1", "refund: 29.70 EUR"):
        assert line in shown
    assert status(order) == "partially_shipped"
    code, shown, _ = run("cancel", str(order.id))
    assert code == 0
    assert "2 x MUG-1  Red mug  19.80 EUR, 2 cancelled" in shown
    assert status(order) == "shipped"


def test_it_cancels_some_items(run: Run, order: Order) -> None:
    code, shown, _ = run("cancel", str(order.id), "MUG-1=1", "--yes", "--reason", "too many")
    assert code == 0
    assert "1 x MUG-1" in shown
    assert "refund: 9.90 EUR" in shown
    assert status(order) == "partially_shipped"
    code, _, error = run("cancel", str(order.id), "MUG-1=2", "--yes")
    assert code == 1
    assert "#/items/0/quantity: At most 1 of MUG-1 can still be cancelled." in error


def test_what_was_shown_is_what_is_cancelled(run: Run, order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    def ship_meanwhile(_: str) -> bool:
        ship(order.id, [Goods(sku="MUG-1", quantity=1)], carrier="DHL", tracking_number="2")
        return True

    monkeypatch.setattr(terminal, "_agreed", ship_meanwhile)
    code, _, error = run("cancel", str(order.id))
    assert code == 1
    assert "412" in error
    assert status(order) == "partially_shipped"
