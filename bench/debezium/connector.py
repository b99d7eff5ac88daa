"""Debezium's connector by the file that a Connect cluster gets, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit

import msgspec
import psycopg
from psycopg import sql

from orderproject.stack.processes import PROJECT

CONFIGURATION = PROJECT / "deploy" / "debezium" / "outbox.json"
PREPARATION = PROJECT / "deploy" / "debezium" / "prepare.sql"
PYTHON = PROJECT / "var" / "debezium" / "bin" / "python"
READER = Path(__file__).with_name("reader.py")
PASSWORD = "only-for-the-comparison"
SILENT_FOR = 60.0
"""Seconds without a record after which the connector has failed."""


class Received(msgspec.Struct, frozen=True):
    """A record as Kafka would get it, and when it came, by the monotonic clock."""

    topic: str
    key: str
    value: str
    headers: dict[str, str]
    at: float = msgspec.field(default_factory=time.monotonic)

    @property
    def id(self) -> str:
        return self.headers["ce_id"]


class ConnectorFailed(Exception):
    """The connector ended, or sends nothing more. The message has the end of its log."""


def prepare(admin_url: str) -> None:
    """Creates the role and the publication, as an administrator does with psql."""
    statements = PREPARATION.read_text().replace(":'password'", sql.Literal(PASSWORD).as_string())
    with psycopg.connect(admin_url, autocommit=True) as connection:
        for statement in statements.split(";\n"):
            if statement.strip():
                connection.execute(statement.encode())


def configuration(database_url: str, offsets: Path) -> dict[str, str]:
    """The configuration of the file, for this database. Only what names the place is replaced."""
    address = urlsplit(database_url)
    whole: dict[str, Any] = json.loads(CONFIGURATION.read_text())
    return {
        "name": whole["name"],
        **whole["config"],
        "database.hostname": str(address.hostname),
        "database.port": str(address.port),
        "database.dbname": address.path[1:],
        "database.password": PASSWORD,
        # A Connect worker keeps the offsets in a topic.
        "offset.storage": "org.apache.kafka.connect.storage.FileOffsetBackingStore",
        "offset.storage.file.filename": str(offsets),
    }


class Connector:
    """A running connector. `until` waits for records; `rest` stops it and returns what still came."""

    def __init__(self, config: Path, log: Path) -> None:
        self.log = log
        with log.open("ab") as errors:
            self.child = subprocess.Popen(
                [PYTHON, READER, config],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=log.parent,  # it writes a log of its own there
            )
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        for line in self.child.stdout or ():
            self._lines.put(line)
        self._lines.put(None)

    def until(self, wanted: Set[str]) -> list[Received]:
        """Records up to the one with which all these ids have come. Raises ConnectorFailed."""
        found: list[Received] = []
        missing = set(wanted)
        while missing:
            try:
                line = self._lines.get(timeout=SILENT_FOR)
            except Empty:
                raise self._failed(f"sends nothing more, and {len(missing)} events are missing") from None
            if line is None:
                raise self._failed(f"ended, and {len(missing)} events are missing")
            if record := _decoded(line):
                found.append(record)
                missing.discard(record.id)
        return found

    def rest(self) -> list[Received]:
        """Raises ConnectorFailed if it does not end cleanly."""
        assert self.child.stdin
        self.child.stdin.close()
        if self.child.wait(SILENT_FOR):
            raise self._failed("ended with an error")
        self._reading.join()
        lines = iter(self._lines.get, None)
        return [record for line in lines if (record := _decoded(line))]

    def kill(self) -> None:
        self.child.kill()
        self.child.wait()

    def _failed(self, what: str) -> ConnectorFailed:
        end = "\n".join(self.log.read_text(errors="replace").splitlines()[-40:])
        return ConnectorFailed(f"The connector {what}. The end of {self.log}:\n{end}")


def _decoded(line: bytes) -> Received | None:
    """None for what Debezium's log writes to the same output."""
    return msgspec.json.decode(line, type=Received) if line.startswith(b'{"topic"') else None


@contextmanager
def connector(database_url: str, folder: Path) -> Iterator[Connector]:
    """Runs for as long as the block; its offsets and its log stay in the folder."""
    config = folder / "connector.json"
    config.write_text(json.dumps(configuration(database_url, folder / "offsets")))
    running = Connector(config, folder / "connector.log")
    try:
        yield running
    finally:
        running.kill()
