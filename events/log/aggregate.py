"""Models that record events: `save()` writes the row, its events and their deliveries in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, ClassVar, NamedTuple, NoReturn, Self, TypeVar

from django.db import connection, models, transaction
from django.db.models.base import ModelState

from events.db.columns import Column, array_type, values_of
from events.db.keyed import AMONG, Keyed
from events.db.model_signals import loading_is_heard, saving_is_heard, send_post_save, send_pre_save
from events.db.query import execute
from events.declare.event import Event
from events.errors import Conflict, UnrecordedWrite
from events.log.append import record

A = TypeVar("A", bound="Aggregate")


class AggregateQuerySet(models.QuerySet[A]):
    """Refuses the bulk writes that would change aggregates behind the log's back.

    As Django's own, those that `unrecorded()` permits send neither `pre_save` nor `post_save`.
    """

    _recorded_elsewhere = False

    def unrecorded(self) -> AggregateQuerySet[A]:
        """This query set may write in bulk: without events, and without Django's signals of saving."""
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
                f"{self.model.__name__}.objects.{method}() would record no event: use events.log.aggregate.save_all(), "
                f"or .unrecorded().{method}() if this change needs no event"
            )

    def update(self, **values: Any) -> int:
        """As Django's own: sends no signals."""
        self._guard("update")
        return super().update(**values)

    def bulk_create(self, *args: Any, **options: Any) -> list[A]:
        """As Django's own: sends no signals."""
        self._guard("bulk_create")
        return super().bulk_create(*args, **options)

    def bulk_update(self, *args: Any, **options: Any) -> int:
        """As Django's own: sends no signals."""
        self._guard("bulk_update")
        return super().bulk_update(*args, **options)

    def delete(self) -> NoReturn:
        raise UnrecordedWrite(_undeletable(self.model))


def _undeletable(model: type[models.Model]) -> str:
    return f"{model.__name__} cannot be deleted because the event log refers to it."


class Aggregate(models.Model):
    """A row that records an event for every change. Transitions call `record()`; `save()` writes row and events.

    A subclass declares `stream_kind`, a pure `evolve`, and `folded()`. `manage.py verify_log` compares the fold of
    the stream by `evolve` with `folded()`.
    """

    stream_kind: ClassVar[str] = ""
    """The prefix of its stream names: `order` in `order:<id>`."""
    parts: ClassVar[tuple[str, ...]] = ()
    """The relations that `folded()` reads."""

    recorded: tuple[Event, ...] = ()
    """Events recorded since the last `save()`."""

    version = models.PositiveIntegerField(default=0, editable=False, help_text="The version of its stream")

    objects = AggregateQuerySet.as_manager()

    class Meta:
        abstract = True

    def __copy__(self) -> Self:
        """A copy with the same values. Django's own implementation pickles, which is slower."""
        twin = type(self).__new__(type(self))
        vars(twin).update(vars(self))
        return twin

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **options: Any) -> None:
        """One transaction: the row, its events, their deliveries, and the receivers of `pre_save` and `post_save`.

        Raises Conflict if the row is newer than this.
        """
        save_all([self], update_fields)

    def delete(self, *args: Any, **options: Any) -> NoReturn:
        raise UnrecordedWrite(_undeletable(type(self)))

    @classmethod
    def from_db(cls, db: str | None, field_names: Any, values: Any, **options: Any) -> Self:
        """Builds a row as Django does, but skips `__init__` if its signals have no receivers: a fifth of the time."""
        if loading_is_heard(cls):
            return super().from_db(db, field_names, values, **options)
        row = cls.__new__(cls)
        row._state = ModelState()
        row._state.adding, row._state.db = False, db
        vars(row).update(zip(field_names, values, strict=True))
        return row

    @classmethod
    def locked(cls, keys: Sequence[Any], *fields: str) -> list[Self]:
        """Locks and returns the rows with these keys; missing keys are skipped. Must run inside a transaction.

        Rows are locked in the order of their keys, so concurrent callers cannot deadlock. Only the key, the version
        and `fields` are loaded; access to another field costs one statement per row.
        """
        statement, names = _lock_statement(cls, fields)
        return [cls.from_db("default", names, row) for row in execute(statement, [list(keys)])]

    @property
    def stream(self) -> str:
        return f"{self.stream_kind}:{self.pk}"

    @staticmethod
    def evolve(state: Any, event: Any) -> Any:
        """Pure: the state after `event`. `state` is None before the first event."""
        raise NotImplementedError

    def folded(self) -> Any:
        """This row as the same type of state that `evolve` returns."""
        raise NotImplementedError

    def record(self, event: Event) -> None:
        """Collects an event; `save()` appends it to the log."""
        self.recorded += (event,)


class _Before(NamedTuple):
    """An aggregate, and what a save that fails has to put back."""

    aggregate: Aggregate
    version: int
    recorded: tuple[Event, ...]
    new: bool

    @classmethod
    def of(cls, aggregate: Aggregate) -> _Before:
        return cls(aggregate, aggregate.version, aggregate.recorded, aggregate._state.adding)

    def restore(self) -> None:
        self.aggregate.version, self.aggregate.recorded = self.version, self.recorded
        self.aggregate._state.adding = self.new


def save_all(aggregates: Sequence[Aggregate], update_fields: Iterable[str] | None = None) -> None:
    """Saves many aggregates in one transaction with a constant number of statements.

    Where somebody listens, `pre_save` is sent for each of them before the first is written, and `post_save` after the
    last, in the same transaction. A receiver may change the aggregate before, record events, and save it again after.

    Raises Conflict when one of them has been changed since it was read; nothing is written then, and a transaction
    around it must be started again.
    """
    fields = None if update_fields is None else tuple(update_fields)
    before = [_Before.of(aggregate) for aggregate in aggregates]
    try:
        with transaction.atomic(savepoint=False):
            _save(before, fields)
    except BaseException:
        for one in before:
            one.restore()
        raise


def _save(before: Sequence[_Before], fields: tuple[str, ...] | None) -> None:
    heard = {model: saving_is_heard(model) for model in {type(one.aggregate): None for one in before}}
    send_pre_save((one.aggregate for one in before if heard[type(one.aggregate)]), fields)
    numbered = number(one.aggregate for one in before)
    for model in heard:
        _write(model, [one for one in before if type(one.aggregate) is model], fields)
    record(numbered)
    for one in before:
        one.aggregate.recorded = ()
        one.aggregate._state.adding = False
        one.aggregate._state.db = "default"
    send_post_save(((one.aggregate, one.new) for one in before if heard[type(one.aggregate)]), fields)


def number(aggregates: Iterable[Aggregate]) -> list[tuple[Event, int]]:
    """The recorded events with their stream versions. Advances the version of each aggregate."""
    numbered: list[tuple[Event, int]] = []
    for aggregate in aggregates:
        for event in aggregate.recorded:
            aggregate.version += 1
            numbered.append((event, aggregate.version))
    return numbered


def _write(model: type[Aggregate], before: Sequence[_Before], fields: tuple[str, ...] | None) -> None:
    new = [one.aggregate for one in before if one.new]
    old = [one.aggregate for one in before if not one.new]
    with connection.cursor() as cursor:
        if new:
            statement, columns = _insert_statement(model)
            cursor.execute(statement, [values_of(column, new, add=True) for column in columns])
        if old:
            statement, columns = _update_statement(model, fields)
            values: dict[str, Any] = {str(column.column): values_of(column, old, add=False) for column in columns}
            keys, versions = [one.pk for one in old], [one.version for one in before if not one.new]
            cursor.execute(statement, {**values, "new_key": keys, "expected": versions})
            if cursor.rowcount != len(old):
                name = model._meta.verbose_name
                raise Conflict(f"{len(old) - cursor.rowcount} {name} changed since you read them: read again and retry")


@cache
def _insert_statement(model: type[Aggregate]) -> tuple[str, list[Column]]:
    """The INSERT for any number of rows, and its columns."""
    meta = model._meta
    columns = list(meta.concrete_fields)
    names = ", ".join(str(column.column) for column in columns)
    arrays = ", ".join(f"%s::{array_type(column)}" for column in columns)
    statement = f"INSERT INTO {meta.db_table} ({names}) SELECT * FROM unnest({arrays})"  # noqa: S608  # nosec B608
    return Keyed(statement), columns


@cache
def _lock_statement(model: type[Aggregate], fields: tuple[str, ...]) -> tuple[str, list[str]]:
    """The SELECT … FOR UPDATE for any number of rows, and the attributes that it reads."""
    meta = model._meta
    key: Any = meta.pk
    wanted = {key.name, "version", *fields}
    columns: list[Column] = [field for field in meta.concrete_fields if field.name in wanted]
    if any(hasattr(column, "from_db_value") for column in columns):
        raise TypeError(f"{model.__name__}.locked() cannot load fields with from_db_value: check {', '.join(fields)}")
    names = ", ".join(str(column.column) for column in columns)
    keys = AMONG.format(f"%s::{array_type(key)}")
    return Keyed(
        f"SELECT {names} FROM {meta.db_table} WHERE {key.column} = {keys} "  # noqa: S608  # nosec B608
        f"ORDER BY {key.column} FOR NO KEY UPDATE"
    ), [column.attname for column in columns]


@cache
def _update_statement(model: type[Aggregate], fields: tuple[str, ...] | None) -> tuple[str, list[Column]]:
    """The UPDATE for any number of rows, and its columns. It only changes rows that still have the expected version.

    The extra condition on the keys makes PostgreSQL use the primary key. With the join alone, it would scan the
    whole table while that is small.
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
