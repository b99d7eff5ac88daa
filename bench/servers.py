"""Starts PostgreSQL with default settings and Valkey with AOF, which all contenders of a run share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis
from psycopg import sql

from orderproject.stack.ports import free_port
from orderproject.stack.servers.postgres import EmbeddedPostgres
from orderproject.stack.servers.valkey import EmbeddedValkey


@dataclass(frozen=True)
class Servers:
    """The running servers. Each contender gets its own database and an empty Valkey."""

    postgres: EmbeddedPostgres
    valkey: EmbeddedValkey

    @property
    def redis_url(self) -> str:
        return self.valkey.url

    def database(self, name: str) -> str:
        """Creates an empty database, replaces one of that name, empties Valkey, and returns the database's URL."""
        admin, _, _ = self.postgres.admin_url.rpartition("/")
        with psycopg.connect(f"{admin}/postgres", autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER app").format(sql.Identifier(name)))
            connection.execute("CHECKPOINT")  # so that the writes of the previous contender do not slow down this one
        redis.Redis.from_url(self.redis_url).flushall()
        base, _, _ = self.postgres.url.rpartition("/")
        return f"{base}/{name}"


@contextmanager
def servers(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Servers]:
    """Starts private servers with their data in `folder` and stops them at the end of the block.

    `settings` are PostgreSQL's; by default it has none but its own.
    """
    postgres = EmbeddedPostgres(folder / "postgres", free_port(), settings)
    valkey = EmbeddedValkey(folder / "valkey", free_port())
    try:
        postgres.start()
        valkey.start()
        yield Servers(postgres, valkey)
    finally:
        valkey.stop()
        postgres.stop()
