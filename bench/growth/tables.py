"""Fills empty tables with COPY as fast as possible: first rows, then indexes, then foreign keys, like pg_restore."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

MEMORY = "512MB"
"""maintenance_work_mem for creating indexes, in this session only."""

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
    """An index or a constraint that is dropped and created again."""

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
        definition = sql.SQL(self.definition)  # from pg_get_indexdef or pg_get_constraintdef
        if self.constraint:
            return sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(*self._names, definition)
        return sql.Composed([definition])

    @property
    def _names(self) -> tuple[sql.Identifier, sql.Identifier]:
        return sql.Identifier(self.table), sql.Identifier(self.name)


@dataclass(frozen=True)
class Stripped:
    """The dropped indexes, keys and foreign keys of the tables."""

    indexes: list[Part]
    foreign_keys: list[Part]

    def of(self, table: str) -> list[Part]:
        return [part for part in self.indexes if part.table == table]


def strip(url: str, tables: Sequence[str]) -> Stripped:
    """Drops indexes and keys in one transaction. Raises ValueError if a table has rows."""
    with psycopg.connect(url) as connection:
        for table in tables:
            if connection.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(table))).fetchone():
                raise ValueError(f"{table} has rows: load stored orders only into empty tables")
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
    """Copies the rows in one transaction, so that they are frozen and need no autovacuum; then creates `parts`."""
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("SET maintenance_work_mem = {}").format(MEMORY))
        connection.execute("SET synchronous_commit = off")
        connection.execute("SET events.erasable = on")  # allows TRUNCATE on the log, which is empty
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
