"""A shop that has grown: what a few orders left in every table, copied as often as asked for, under ids of its own."""

from collections.abc import Iterable

from django.db import connection, transaction
from psycopg import sql

from orderproject.applications import SERVICES

CATALOGUE = {"inventory_product", "inventory_stock", "inventory_warehouse"}
GROWING = {"events", "sagas", *SERVICES}
SPAN = 10_000_000
"""Between the numbers of one copy and those of the next."""

COLUMNS = """
SELECT column_name, data_type, is_identity = 'YES' FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = %s ORDER BY ordinal_position
"""
NUMBER = "{0} + copy * {1}"
COPIED = {
    ("uuid", ""): "md5({0}::text || copy)::uuid",
    ("bigint", "event_id"): NUMBER,
    ("bigint", "delivery_id"): NUMBER,
    ("character varying", "stream"): "split_part({0}, ':', 1) || ':' || md5(split_part({0}, ':', 2) || copy)::uuid",
    ("character varying", "number"): "{0} || copy",
    ("character varying", "key"): "{0} || copy",
}
"""How what leads to another row, or must not be there twice, is copied: by its type, or by type and name."""


def tables() -> list[str]:
    """Those that orders fill."""
    names = connection.introspection.table_names()
    return [name for name in names if name.partition("_")[0] in GROWING and name not in CATALOGUE]


def grow(copies: int) -> None:
    with transaction.atomic(), connection.cursor() as cursor:  # foreign keys are looked at in the end
        for table in tables():
            cursor.execute(COLUMNS, [table])
            columns = cursor.fetchall()
            cursor.execute(
                sql.SQL(
                    "INSERT INTO {} ({}) SELECT {} FROM {}, generate_series(1, %s) AS copy ON CONFLICT DO NOTHING"
                ).format(
                    sql.Identifier(table),
                    sql.SQL(", ").join(sql.Identifier(name) for name, _, _ in columns),
                    sql.SQL(", ").join(_copied(*column) for column in columns),
                    sql.Identifier(table),
                ),
                [copies],
            )
            _start_behind(table, [name for name, _, identity in columns if identity])


def _copied(name: str, kind: str, identity: bool) -> sql.Composable:
    rule = NUMBER if identity else COPIED.get((kind, name)) or COPIED.get((kind, ""), "{0}")
    return sql.SQL(rule).format(sql.Identifier(name), sql.Literal(SPAN))


def _start_behind(table: str, identities: Iterable[str]) -> None:
    with connection.cursor() as cursor:
        for column in identities:
            statement = "SELECT setval(pg_get_serial_sequence(%s, %s), (SELECT coalesce(max({}), 1) FROM {}))"
            cursor.execute(sql.SQL(statement).format(sql.Identifier(column), sql.Identifier(table)), [table, column])


def rows() -> dict[str, int]:
    """How many each table has."""
    with connection.cursor() as cursor:
        counted = {}
        for table in tables():
            cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
            counted[table] = cursor.fetchone()[0]
    return counted
