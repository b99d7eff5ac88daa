"""The programs of the how-to for consumers, each killed, and with everything published twice, on real brokers."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from amqp.exceptions import NotFound

from orderproject.stack.processes import PROJECT
from publishing.kafka import topics
from publishing.models import Cursor
from publishing.rabbitmq import exchange
from tests import kafka, rabbit
from tests.integration.howto import blocks
from tests.integration.wires import NEEDED, published
from tests.publishing import eventually, orders, recorded

PAGE = PROJECT / "docs" / "howto" / "consume-from-brokers.md"
CLIENTS = PROJECT / ".venv" / "node" / "node_modules"
PROGRAMS = {block.file: block.text for block in blocks(PAGE)}
pytestmark = [pytest.mark.django_db(transaction=True), *NEEDED]
HAS_NODE = bool(shutil.which("node")) and CLIENTS.exists()
NODE = pytest.param("mjs", marks=pytest.mark.skipif(not HAS_NODE, reason="Node.js or its clients are not installed"))
LANGUAGES = ["py", "mjs"] if HAS_NODE else ["py"]
STREAMS = 20


@pytest.fixture
def address(tmp_path: Path, settings: Any) -> Iterator[str]:
    with kafka.broker(tmp_path / "broker") as address:
        settings.STREAMS_KAFKA_BOOTSTRAP_SERVERS = address
        topics.create(dry_run=False)
        yield address


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with rabbit.node(tmp_path_factory.mktemp("rabbit")) as url:
        yield url


@pytest.fixture
def rabbitmq(node: str, settings: Any) -> Iterator[str]:
    settings.STREAMS_RABBITMQ_URL = node
    exchange.create(dry_run=False)
    yield node
    with exchange.connect() as connection:
        connection.channel().queue_delete("books")


@contextmanager
def running(folder: Path, name: str, environment: dict[str, str]) -> Iterator[Path]:
    """The page's program as a process, until it is killed; its books."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(PROGRAMS[name])
    if not (folder / "node_modules").exists():
        (folder / "node_modules").symlink_to(CLIENTS)
    books = folder / "books"
    command = [sys.executable] if program.suffix == ".py" else ["node"]
    child = subprocess.Popen([*command, str(program)], cwd=folder, env=os.environ | environment | {"BOOKS": str(books)})
    try:
        yield books
        assert child.poll() is None, "the program ended by itself"
    finally:
        child.kill()
        child.wait(10)


def booked(books: Path) -> Counter[str]:
    """How often each order is in the books."""
    if not books.exists():
        return Counter()
    if b"SQLite" in books.read_bytes()[:16]:
        return _in_sqlite(books)
    return Counter(json.loads(line)["orderId"] for line in books.read_text().splitlines())


def _in_sqlite(books: Path) -> Counter[str]:
    connection = sqlite3.connect(books, timeout=10)
    try:
        return Counter(order for (order,) in connection.execute("SELECT order_id FROM cancelled"))
    except sqlite3.OperationalError:  # the program has not made its table yet
        return Counter()
    finally:
        connection.close()


Run = Callable[[str], AbstractContextManager[list[Path]]]


def books_everything_once(run: Run, publish: Callable[[], None]) -> None:
    """Kills the programs, publishes all that they had again, and behind that something new of each stream."""
    ids: list[UUID] = orders(STREAMS)
    expected = Counter({str(id_): 1 for id_ in ids})
    recorded(ids)
    with run("first") as all_books:
        publish()
        eventually(lambda: all(booked(books) == expected for books in all_books), within=60)
    recorded(ids, (2,))
    Cursor.objects.all().delete()
    publish()
    with run("second") as all_books:
        eventually(lambda: all(booked(books).total() >= 2 * STREAMS for books in all_books), within=60)
        for books in all_books:
            assert booked(books) == expected + expected, "each of both events once"


@pytest.mark.parametrize("language", ["py", NODE])
def test_the_program_for_rabbitmq_books_everything_once(rabbitmq: str, tmp_path: Path, language: str) -> None:
    @contextmanager
    def run(_: str) -> Iterator[list[Path]]:
        with running(tmp_path, f"rabbitmq_books.{language}", {"RABBITMQ_URL": rabbitmq}) as books:
            yield [books]

    with run(""):  # the first start makes the queue, which gets what is published from then on
        eventually(is_bound)
    books_everything_once(run, lambda: published("rabbitmq"))


def is_bound() -> bool:
    """The programs consume after they have bound their queue."""
    with exchange.connect() as connection:
        channel = connection.channel()
        try:
            declared: Any = channel.queue_declare("books", passive=True)
        except NotFound:
            return False
        return bool(declared.consumer_count)


def test_the_programs_for_kafka_book_everything_once(address: str, tmp_path: Path) -> None:
    """Both at the same time, because the broker takes 15 seconds to form a group.

    The second time in another group, which reads everything again: as if the offsets were lost.
    """

    def of(group: str, language: str) -> AbstractContextManager[Path]:
        environment = {"KAFKA": address, "GROUP": f"{group}-{language}"}
        return running(tmp_path / language, f"kafka_books.{language}", environment)

    @contextmanager
    def run(group: str) -> Iterator[list[Path]]:
        with ExitStack() as stack:
            yield [stack.enter_context(of(group, language)) for language in LANGUAGES]

    books_everything_once(run, lambda: published("kafka"))


def test_every_program_of_the_page_is_run() -> None:
    assert PROGRAMS.keys() == {
        "rabbitmq_books.py", "kafka_books.py", "rabbitmq_books.mjs", "kafka_books.mjs", "rabbitmq_shared.py",
    }, "the last one in test_consumer_groups"  # fmt: skip
