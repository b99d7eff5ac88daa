"""The catalogue in docs/ is that of the code."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from events.catalogue.markdown import catalogue
from events.declare.subscribers import subscribers
from sagas.definition import definitions


def test_it_is_up_to_date() -> None:
    call_command("catalogue", "--check")


def test_a_stale_one_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.md"
    call_command("catalogue", "--file", str(file))
    file.write_text(file.read_text().replace("1.0", "1.1"))
    with pytest.raises(CommandError, match="run manage.py catalogue"):
        call_command("catalogue", "--check", "--file", str(file))


def test_who_listens_at_the_relay_is_a_saga() -> None:
    ours = [one for one in subscribers() if not one.name.startswith("tests.")]
    at_relay = {one.name.partition(".")[2] for one in ours if one.at_relay}
    assert at_relay == {saga.name for saga in definitions() if not saga.module.startswith("tests.")}


def test_it_says_who_emits_who_listens_and_where() -> None:
    text = catalogue()
    section = text.partition("\n## order.created 1.0\n")[2].partition("\n## ")[0]
    assert "Emitted by orders, on the stream `order:<orderId>`." in section
    assert "| `items` | list of Item |  |" in section
    assert "| `orders.PlaceOrder` | at the relay; inventory, orders, payments |" in section
