"""docs/howto/receive-foreign-events.md, carried out: its code is declared, its commands run, its messages received."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from events.declare.foreign import Message, foreign_event
from events.models import StoredEvent
from events.testing import Broker, drain
from inventory.models import Product
from orderproject.stack.processes import PROJECT
from publishing.inbox import receiver
from publishing.inbox.receiver import Receiver
from publishing.models import Inbox
from tests import kafka
from tests.inbox import send_to_kafka
from tests.integration.howto import blocks
from tests.integration.wires import NEEDED
from tests.publishing import eventually

pytestmark = [pytest.mark.django_db(transaction=True), *NEEDED]
PAGE = PROJECT / "docs" / "howto" / "receive-foreign-events.md"
BLOCKS = blocks(PAGE)
FILES = {block.file: block.text for block in BLOCKS if block.file}
COMMAND = re.compile(r"^manage\.py inbox ([^#\n]+)", re.MULTILINE)
EXPORT = re.compile(r"^export (\w+)=(\S+)", re.MULTILINE)
SHELL = "".join(block.text for block in BLOCKS if block.language == "sh")


def run_as_told(text: str, namespace: dict[str, Any]) -> None:
    exec(compile(text, str(PAGE), "exec"), namespace)  # noqa: S102  the project's own page


DECLARED: dict[str, Any] = {"__name__": __name__}
for file in ("inventory/events.py", "inventory/subscribers.py", "inventory/erp.py"):
    run_as_told(FILES[file], DECLARED)


def inbox(*arguments: str) -> str:
    out = StringIO()
    call_command("inbox", *arguments, stdout=out)
    return out.getvalue()


def received(one: Receiver, count: int) -> None:
    def done() -> bool:
        one.turn(1.0)
        return sum(row.received + row.unreadable for row in Inbox.objects.all()) >= count

    eventually(done, within=60)


def test_the_page_is_followed(tmp_path: Path, settings: Any, broker: Broker) -> None:
    commands = [re.findall(r'"([^"]+)"|(\S+)', found) for found in COMMAND.findall(SHELL)]
    create, run, status, unreadable, retry, discard = [[a or b for a, b in words] for words in commands]
    assert run == ["run"]
    for sku in ("MUG-RED", "TEA-ASSAM"):
        Product.objects.create(sku=sku, name="old", price="9.90")
    with kafka.broker(tmp_path) as address:
        told = dict(EXPORT.findall(SHELL))
        settings.INBOX_KAFKA_BOOTSTRAP_SERVERS = told["INBOX_KAFKA_BOOTSTRAP_SERVERS"].replace("host:9092", address)
        settings.INBOX_KAFKA_TOPICS = dict(one.split("=") for one in told["INBOX_KAFKA_TOPICS"].split(","))
        settings.INBOX_KAFKA_OPTIONS = {"session.timeout.ms": "2000", "heartbeat.interval.ms": "500"}
        assert inbox(*create).count("was created") == 2
        run_as_told(FILES["send.py"].replace("host:9092", address), {})
        send_to_kafka(address, "erp.items", [("x", Message(b"no JSON"))])
        one = Receiver(receiver.reader("kafka"))
        received(one, 3)
        one.reader.close()
    drain()
    assert dict(Product.objects.values_list("sku", "name")) == {
        "MUG-RED": "Mug, dark red", "TEA-ASSAM": "Assam, first flush",
    }  # fmt: skip
    assert set(StoredEvent.objects.filter(type="product.renamed").values_list("source", "correlation_id")) == {
        ("erp", "4711"), ("erp", "4712"),
    }  # fmt: skip
    assert "1 unreadable messages wait" in inbox(*status)
    assert "no-event" in inbox(*unreadable)
    assert "1 still cannot be read" in inbox(*retry)
    assert "1 discarded" in inbox(*discard)
    assert "wait" not in inbox(*status)


def test_every_block_of_code_is_run() -> None:
    assert FILES.keys() == {"inventory/events.py", "inventory/subscribers.py", "inventory/erp.py", "send.py"}
    assert foreign_event("erp", "com.erp.item.renamed") is DECLARED["ProductRenamed"]
