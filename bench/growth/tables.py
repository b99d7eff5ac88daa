"""Filling empty tables with COPY as fast as they go: rows, then indexes, then foreign keys, as a dump is restored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

MEMORY = "512MB"
"""For making an index; a setting of this session, as an operator sets it for a restore."""

FOREIGN_KEYS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype = 'f' AND (conrelid = ANY(%(tables)s::regclass[]) OR confrelid = ANY(%(tables)s::regclass[]))
"""
KEYS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype IN ('p', 'u') AND conrelid = ANY(%(tables)s::regclass[])
"""
INDEXES = """
SELECT tablename, indexname, indexdef FROM pg_indexes
WHERE tablename = ANY(%(tables)s) AND NOT EXISTS (
    SELECT 1 FROM pg_constraint WHERE conindid = format('%%I.%%I', schemaname, indexname)::regclass)
"""


@dataclass(frozen=True)
class Part:
    """Something of a table that is taken away and put back: how it was defined."""

    table: str
    name: str
    definition: str
    constraint: bool

    @property
    def drop(self) -> sql.Composed:
        if self.constraint:
            return sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(*self._names)
        return sql.SQL("DROP INDEX {}").format(sql.Identifier(self.name))

    @property
    def make(self) -> sql.Composed:
        definition = sql.SQL(self.definition)  # the server's own words
        if self.constraint:
            return sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(*self._names, definition)
        return sql.Composed([definition])

    @property
    def _names(self) -> tuple[sql.Identifier, sql.Identifier]:
        return sql.Identifier(self.table), sql.Identifier(self.name)


@dataclass(frozen=True)
class Stripped:
    """What was taken from the tables: indexes and keys of each, and the foreign keys to and from them."""

    indexes: list[Part]
    foreign_keys: list[Part]

    def of(self, table: str) -> list[Part]:
        return [part for part in self.indexes if part.table == table]


def strip(url: str, tables: Sequence[str]) -> Stripped:
    """Takes indexes and keys away, in one transaction. Raises ValueError for a table that has rows."""
    with psycopg.connect(url) as connection:
        for table in tables:
            if connection.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(table))).fetchone():
                raise ValueError(f"{table} has rows: the past can only be loaded before anything has happened")
        foreign = _parts(connection, FOREIGN_KEYS, tables, constraint=True)
        keys = _parts(connection, KEYS, tables, constraint=True)
        indexes = _parts(connection, INDEXES, tables, constraint=False)
        for part in [*foreign, *indexes, *keys]:
            connection.execute(part.drop)
    return Stripped([*keys, *indexes], foreign)


def _parts(connection: psycopg.Connection, query: str, tables: Sequence[str], *, constraint: bool) -> list[Part]:
    rows = connection.execute(query, {"tables": list(tables)}).fetchall()
    return [Part(table, name, definition, constraint) for table, name, definition in rows]


def fill(url: str, table: str, columns: Sequence[str], blocks: Iterable[str], parts: Sequence[Part]) -> None:
    """In one transaction, so that the rows are frozen and nothing is left for autovacuum; then what was taken away."""
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("SET maintenance_work_mem = {}").format(MEMORY))
        connection.execute("SET synchronous_commit = off")
        connection.execute("SET events.erasable = on")  # the log may be emptied, as tests do; it is empty
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY").format(sql.Identifier(table)))
            with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN (FREEZE)").format(sql.Identifier(table), names)) as copy:
                for block in blocks:
                    copy.write(block)
        make(connection, parts)
        connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))


def make(connection: psycopg.Connection, parts: Sequence[Part]) -> None:
    for part in parts:
        connection.execute(part.make)
