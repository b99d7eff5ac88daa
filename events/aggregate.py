"""Models that record what happened to them: the row, its events and their deliveries are one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, ClassVar, NoReturn, Self, TypeVar

from django.db import connection, models, transaction
from django.db.models.base import ModelState

from events import log, sql
from events.among import AMONG
from events.columns import Column, array_type, values_of
from events.errors import Conflict, UnrecordedWrite
from events.event import Event
from events.keyed import Keyed

A = TypeVar("A", bound="Aggregate")


class AggregateQuerySet(models.QuerySet[A]):
    """Refuses the bulk writes that would change aggregates behind the log's back."""

    _recorded_elsewhere = False

    def unrecorded(self) -> AggregateQuerySet[A]:
        """This query set may write in bulk: whoever says so answers for the missing events."""
        clone = self.all()
        clone._recorded_elsewhere = True
        return clone

    def _clone(self) -> AggregateQuerySet[A]:
        clone: AggregateQuerySet[A] = super()._clone()  # type: ignore[misc]
        clone._recorded_elsewhere = self._recorded_elsewhere
        return clone

    def _guard(self, method: str) -> None:
        if not self._recorded_elsewhere:
            raise UnrecordedWrite(
                f"{self.model.__name__}.objects.{method}() would record no event: use events.save_all(), "
                f"or .unrecorded().{method}() where none is due"
            )

    def update(self, **values: Any) -> int:
        self._guard("update")
        return super().update(**values)

    def bulk_create(self, *args: Any, **options: Any) -> list[A]:
        self._guard("bulk_create")
        return super().bulk_create(*args, **options)

    def bulk_update(self, *args: Any, **options: Any) -> int:
        self._guard("bulk_update")
        return super().bulk_update(*args, **options)

    def delete(self) -> NoReturn:
        raise UnrecordedWrite(f"{self.model.__name__} is never deleted: the log still speaks of it")


class Aggregate(models.Model):
    """A row whose every change is an event. Transitions `record()`; `save()` writes all of it, or nothing.

    A subclass declares its `stream_kind`, a pure `evolve`, and `folded()`: `events.verify` compares the two.
    """

    stream_kind: ClassVar[str] = ""
    """What its streams begin with: `order` of `order:<id>`."""
    parts: ClassVar[tuple[str, ...]] = ()
    """The relations that `folded()` reads."""

    recorded: tuple[Event, ...] = ()
    """What has happened since the last `save()`."""

    version = models.PositiveIntegerField(default=0, editable=False, help_text="The version of its stream")

    objects = AggregateQuerySet.as_manager()

    class Meta:
        abstract = True

    def __copy__(self) -> Self:
        """With the same values; Django's own goes by way of pickling."""
        twin = type(self).__new__(type(self))
        vars(twin).update(vars(self))
        return twin

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **options: Any) -> None:
        """One transaction: the row, its events, their deliveries. Raises Conflict if the row is newer than this."""
        save_all([self], update_fields)

    def delete(self, *args: Any, **options: Any) -> NoReturn:
        raise UnrecordedWrite(f"{type(self).__name__} is never deleted: the log still speaks of it")

    @classmethod
    def from_db(cls, db: str | None, field_names: Iterable[str], values: Iterable[Any], **_: Any) -> Self:
        """A loaded row, as Django makes it, but without the signals of a new object: a fifth of the time."""
        row = cls.__new__(cls)
        row._state = ModelState()
        row._state.adding, row._state.db = False, db
        vars(row).update(zip(field_names, values, strict=True))
        return row

    @classmethod
    def locked(cls, keys: Sequence[Any], *fields: str) -> list[Self]:
        """Those that are there, for this transaction, in the order of their keys; all who lock do it in that order.

        Of each only these fields are loaded, its key and its version; the others cost a statement for each row.
        """
        statement, names = _lock_statement(cls, fields)
        return [cls.from_db("default", names, row) for row in sql.run(statement, [list(keys)])]

    @property
    def stream(self) -> str:
        return f"{self.stream_kind}:{self.pk}"

    @staticmethod
    def evolve(state: Any, event: Any) -> Any:
        """What `event` makes of `state`, which is None before the first one. Pure."""
        raise NotImplementedError

    def folded(self) -> Any:
        """The row, in the form that `evolve` gives to the fold of its stream."""
        raise NotImplementedError

    def record(self, event: Event) -> None:
        """Something happened; it becomes true for everyone with `save()`."""
        self.recorded += (event,)


def save_all(aggregates: Sequence[Aggregate], update_fields: Iterable[str] | None = None) -> None:
    """Saves many aggregates in one transaction with a constant number of statements.

    Raises Conflict when one of them has been changed since it was read; nothing is written then, and a transaction
    around it has to begin anew.
    """
    fields = None if update_fields is None else tuple(update_fields)
    expected = {id(aggregate): aggregate.version for aggregate in aggregates}
    try:
        numbered = number(aggregates)
        with transaction.atomic(savepoint=False):
            for model in {type(aggregate): None for aggregate in aggregates}:
                _write(model, [one for one in aggregates if type(one) is model], expected, fields)
            log.record(numbered)
    except BaseException:
        for aggregate in aggregates:
            aggregate.version = expected[id(aggregate)]
        raise
    for aggregate in aggregates:
        aggregate.recorded = ()
        aggregate._state.adding = False
        aggregate._state.db = "default"


def number(aggregates: Iterable[Aggregate]) -> list[tuple[Event, int]]:
    """What they recorded, each event with its version; they are at their last one then."""
    numbered: list[tuple[Event, int]] = []
    for aggregate in aggregates:
        for event in aggregate.recorded:
            aggregate.version += 1
            numbered.append((event, aggregate.version))
    return numbered


def _write(
    model: type[Aggregate],
    aggregates: list[Aggregate],
    expected: dict[int, int],
    fields: tuple[str, ...] | None,
) -> None:
    new = [one for one in aggregates if one._state.adding]
    old = [one for one in aggregates if not one._state.adding]
    with connection.cursor() as cursor:
        if new:
            statement, columns = _insert_statement(model)
            cursor.execute(statement, [values_of(column, new, add=True) for column in columns])
        if old:
            statement, columns = _update_statement(model, fields)
            values: dict[str, Any] = {str(column.column): values_of(column, old, add=False) for column in columns}
            keys, versions = [one.pk for one in old], [expected[id(one)] for one in old]
            cursor.execute(statement, {**values, "new_key": keys, "expected": versions})
            if cursor.rowcount != len(old):
                name = model._meta.verbose_name
                raise Conflict(f"{len(old) - cursor.rowcount} {name} changed since read: read again")


@cache
def _insert_statement(model: type[Aggregate]) -> tuple[str, list[Column]]:
    """One INSERT for any number of rows."""
    meta = model._meta
    columns = list(meta.concrete_fields)
    names = ", ".join(str(column.column) for column in columns)
    arrays = ", ".join(f"%s::{array_type(column)}" for column in columns)
    statement = f"INSERT INTO {meta.db_table} ({names}) SELECT * FROM unnest({arrays})"  # noqa: S608  # nosec B608
    return Keyed(statement), columns


@cache
def _lock_statement(model: type[Aggregate], fields: tuple[str, ...]) -> tuple[str, list[str]]:
    """One SELECT for any number of rows, and the attributes that it reads."""
    meta = model._meta
    key: Any = meta.pk
    wanted = {key.name, "version", *fields}
    columns: list[Column] = [field for field in meta.concrete_fields if field.name in wanted]
    if any(hasattr(column, "from_db_value") for column in columns):
        raise TypeError(f"{model.__name__}.locked() reads values as they are: not {', '.join(fields)}")
    names = ", ".join(str(column.column) for column in columns)
    keys = AMONG.format(f"%s::{array_type(key)}")
    return Keyed(
        f"SELECT {names} FROM {meta.db_table} WHERE {key.column} = {keys} "  # noqa: S608  # nosec B608
        f"ORDER BY {key.column} FOR NO KEY UPDATE"
    ), [column.attname for column in columns]


@cache
def _update_statement(model: type[Aggregate], fields: tuple[str, ...] | None) -> tuple[str, list[Column]]:
    """One UPDATE for any number of rows: looked up by primary key, fenced by the version that was read.

    The join alone would be a look at the whole table, until that is large; so the keys are asked for beside it.
    """
    meta = model._meta
    key: Any = meta.pk
    wanted = None if fields is None else {*fields, "version", "updated_at"}
    columns: list[Column] = [
        field
        for field in meta.concrete_fields
        if not field.primary_key and (wanted is None or field.name in wanted or field.attname in wanted)
    ]
    arrays = ", ".join(f"%({column.column})s::{array_type(column)}" for column in columns)
    keys = f"%(new_key)s::{array_type(key)}"
    names = ", ".join(f"v_{column.column}" for column in columns)
    assignments = ", ".join(f"{column.column} = v_{column.column}" for column in columns)
    return Keyed(
        f"UPDATE {meta.db_table} SET {assignments} "  # noqa: S608  names of columns, no input  # nosec B608
        f"FROM unnest({keys}, %(expected)s::int[], {arrays}) AS new (new_key, expected, {names}) "
        f"WHERE {meta.db_table}.{key.column} = new_key AND {meta.db_table}.version = expected "
        f"AND {meta.db_table}.{key.column} = {AMONG.format(keys)}"
    ), columns
