"""The terminal client takes a return through its steps, and refunds; a repeat with the same key does nothing more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orderproject.accounts.auth import access_token
from orderproject.demo import client as terminal
from orderproject.demo.shop import Session
from orders.events import Goods
from orders.fulfilment.service import deliver, ship
from orders.models import Order, RefundRequest, Return
from tests import stories
from tests.integration.api import user

pytestmark = pytest.mark.django_db(transaction=True)
Run = Callable[..., tuple[int, str, str]]
NASTY = "\x1b[31mred"


@pytest.fixture
def order() -> Order:
    """Delivered: one line of two pieces."""
    stories.shop("MUG-0")
    order = stories.confirmed()
    ship(order.id, [Goods(sku="MUG-0", quantity=2)], carrier="DHL", tracking_number="1")
    deliver(order.id)
    return order


@pytest.fixture
def run(live_server: Any, order: Order, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """As somebody. Returns the exit code, and what was printed on stdout and stderr."""
    people = {"ada": user("ada", id=order.customer_id), "root": user("root", is_staff=True, is_superuser=True)}

    def run(name: str, *arguments: str) -> tuple[int, str, str]:
        session = Session(tmp_path / f"{name}.json")
        session.save(url=live_server.url, access=str(access_token(people[name])), refresh="")
        code = terminal.main(arguments, session)
        return code, *capsys.readouterr()

    return run


def test_a_return_from_the_request_to_the_warehouse(run: Run, order: Order) -> None:
    code, shown, said = run("ada", "return", str(order.id), "MUG-0=2", "--reason", "too red")
    taken = Return.objects.get()
    assert code == 0
    assert shown.splitlines() == [
        f"{taken.id}  requested  19.80 EUR  order {order.id}", "  2 x MUG-0", "  reason: too red",
    ]  # fmt: skip
    (key,) = [word.rstrip(")") for word in said.split() if word.startswith("--idempotency-key=")]
    assert run("ada", "return", str(order.id), "MUG-0=2", "--reason", "too red", key)[0] == 0
    assert Return.objects.count() == 1
    assert str(taken.id) in run("ada", "returns", "--status", "requested", "--order", str(order.id))[1]
    assert run("ada", "returns", "--status", "approved") == (0, "No returns.\n", "")

    code, _, error = run("ada", "approve", str(taken.id))
    assert code == 1
    assert "do not have permission to approve" in error
    assert "approved" in run("root", "approve", str(taken.id))[1]
    code, _, error = run("root", "receive", str(taken.id), "--warehouse", "BER")
    assert code == 1
    assert "--nothing" in error
    arrived = ("MUG-0", "--write-off", "MUG-0=1", "--warehouse", "BER")
    assert "  2 x MUG-0, 1 restocked, 1 written off" in run("root", "receive", str(taken.id), *arrived)[1]
    assert "received" in run("ada", "returns")[1]


def test_a_rejected_return_tells_why_and_writes_no_command_to_the_terminal(run: Run, order: Order) -> None:
    assert run("ada", "return", str(order.id), "MUG-0")[0] == 0
    taken = Return.objects.get()
    assert run("root", "reject", str(taken.id), "--reason", "worn")[0] == 0
    Return.objects.update(reject_reason=NASTY)
    shown = run("ada", "returns")[1]
    assert r"rejected: \x1b[31mred" in shown
    assert "\x1b" not in shown


def test_nothing_arrived(run: Run, order: Order) -> None:
    run("ada", "return", str(order.id), "MUG-0")
    taken = Return.objects.get()
    run("root", "approve", str(taken.id))
    code, shown, _ = run("root", "receive", str(taken.id), "--nothing", "--warehouse", "BER")
    assert code == 0
    assert "received   0.00 EUR" in shown


def test_a_refund_is_in_the_currency_of_the_order_and_happens_once(run: Run, order: Order) -> None:
    asked = ("refund", str(order.id), "5.00", "--reason", "late", "--idempotency-key", "r1")
    for _ in range(2):
        code, shown, _ = run("root", *asked)
        assert code == 0
        assert shown.startswith(f"refund 5.00 EUR of order {order.number}")
    assert RefundRequest.objects.count() == 1
    code, _, error = run("root", "refund", str(order.id), "99.00", "--reason", "late")
    assert code == 1
    assert "At most 14.80 EUR can be refunded." in error
