"""Two consumers share the events, keep the order of each stream, and one takes over when the other is killed."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from amqp.exceptions import NotFound

from orderproject.stack.processes import PROJECT
from publishing.engine.cursors import Held
from publishing.engine.publisher import Publisher
from publishing.kafka import topics
from publishing.rabbitmq import exchange
from tests import kafka, rabbit
from tests.integration.howto import blocks
from tests.integration.wires import NEEDED
from tests.publishing import caught_up, disorder, eventually, orders, recorded, started

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, *NEEDED]
PAGE = PROJECT / "docs" / "howto" / "consume-from-brokers.md"
STREAMS, BEFORE, AFTER = 60, range(1, 4), range(4, 7)
HASH = "rabbitmq_consistent_hash_exchange"
QUEUES = 6
"""Of the how-to's program."""

Line = dict[str, Any]


@contextmanager
def member(*command: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen([sys.executable, *command], cwd=PROJECT, env=os.environ | environment)
    try:
        yield child
    finally:
        child.kill()
        child.wait(10)


def diary_of(path: Path) -> list[Line]:
    """Without a line that a killed process did not finish."""
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def events_of(lines: Iterable[Line]) -> list[Line]:
    return [line for line in lines if "stream" in line]


def in_order(seen: list[tuple[str, int]], ids: list[UUID]) -> None:
    found = disorder(seen, {f"order:{id_}": len(BEFORE) + len(AFTER) for id_ in ids})
    assert (found["gaps"], found["inversions"]) == (0, 0), found


def shares(diaries: list[Path]) -> bool:
    """Both members have partitions, by their last assignments, and no partition has both."""
    last = [[line["assigned"] for line in diary_of(one) if "assigned" in line][-1:] for one in diaries]
    sets = [set(found[0]) for found in last if found]
    return len(sets) == 2 and all(sets) and not sets[0] & sets[1]


def test_two_members_of_a_kafka_group_share_the_partitions_and_one_takes_over(tmp_path: Path, settings: Any) -> None:
    with kafka.broker(tmp_path / "broker") as address:
        settings.STREAMS_KAFKA_BOOTSTRAP_SERVERS = address
        topics.create(dry_run=False)
        publisher, cursor = started("kafka")
        diaries = [tmp_path / "first", tmp_path / "second"]
        program = str(Path(__file__).with_name("group_member.py"))
        with (
            member(program, address, "orders.order", str(diaries[0])) as first,
            member(program, address, "orders.order", str(diaries[1])),
        ):
            eventually(lambda: shares(diaries))
            ids = _published(publisher, cursor)
            eventually(lambda: all(events_of(diary_of(one)) for one in diaries))
            partitions = [{line["partition"] for line in events_of(diary_of(one))} for one in diaries]
            assert not partitions[0] & partitions[1], "a partition has one member"
            first.kill()
            _more(publisher, cursor, ids)
            eventually(lambda: len({_key(one) for one in _merged(diaries)}) == STREAMS * (len(BEFORE) + len(AFTER)))
        publisher.close()
    in_order([_key(one) for one in _merged(diaries)], ids)


def _key(line: Line) -> tuple[str, int]:
    return line["stream"], line["streamVersion"]


def _merged(diaries: list[Path]) -> list[Line]:
    return sorted((line for one in diaries for line in events_of(diary_of(one))), key=lambda line: line["at"])


def _published(publisher: Publisher, cursor: Held) -> list[UUID]:
    ids = orders(STREAMS)
    recorded(ids, BEFORE)
    caught_up(publisher, cursor)
    return ids


def _more(publisher: Publisher, cursor: Held, ids: list[UUID]) -> None:
    recorded(ids, AFTER)
    caught_up(publisher, cursor)


def test_two_consumers_of_rabbitmq_share_the_streams_and_one_takes_over(tmp_path: Path, settings: Any) -> None:
    """The program of the how-to, as two processes with the same books."""
    program, books = tmp_path / "rabbitmq_shared.py", tmp_path / "books"
    program.write_text({block.file: block.text for block in blocks(PAGE)}[program.name])
    with rabbit.Node(tmp_path / "rabbit", plugins=[HASH]) as node:
        settings.STREAMS_RABBITMQ_URL = node.url
        exchange.create(dry_run=False)
        environment = {"RABBITMQ_URL": node.url, "BOOKS": str(books)}
        publisher, cursor = started("rabbitmq")
        with member(str(program), "0", **environment) as first, member(str(program), "1", **environment):
            eventually(lambda: _active_consumers() == [1] * QUEUES)
            ids = _published(publisher, cursor)
            eventually(lambda: _workers(books) == {0, 1})
            first.kill()
            _more(publisher, cursor, ids)
            eventually(lambda: len(_booked(books)) == STREAMS * (len(BEFORE) + len(AFTER)))
        publisher.close()
    rows = _booked(books)
    in_order([(stream, version) for stream, version, _ in rows], ids)
    before = {(stream, process) for stream, version, process in rows if version == 1}
    assert len(before) == STREAMS
    assert {process for _, process in before} == {0, 1}, "both had streams"


def _active_consumers() -> list[int]:
    """Of each queue; one that stands by does not count."""
    with exchange.connect() as connection:
        declared: list[Any] = []
        for number in range(QUEUES):
            try:
                declared.append(connection.channel().queue_declare(f"shared.{number}", passive=True))
            except NotFound:
                return []
        return [one.consumer_count for one in declared]


def _booked(books: Path) -> list[tuple[str, int, int]]:
    connection = sqlite3.connect(books, timeout=10)
    try:
        return connection.execute("SELECT stream, version, process FROM seen ORDER BY rowid").fetchall()
    finally:
        connection.close()


def _workers(books: Path) -> set[int]:
    return {process for _, _, process in _booked(books)}
