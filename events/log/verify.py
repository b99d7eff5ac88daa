"""Verifies that every aggregate's row equals its folded stream. Safe to run beside concurrent writers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import transaction

from events.db.query import execute
from events.log import sql
from events.log.aggregate import Aggregate
from events.log.fold import History, fold, histories

BATCH = 200


def aggregates() -> list[type[Aggregate]]:
    """Every installed aggregate model."""
    return [model for model in apps.get_models() if issubclass(model, Aggregate)]


def differences(batch: int = BATCH) -> Iterator[str]:
    """One message for each row that differs from its stream, and for each stream whose row is missing."""
    for model in aggregates():
        yield from _of_rows(model, batch)
    yield from _without_row(batch)


def _of_rows(model: type[Aggregate], batch: int) -> Iterator[str]:
    rows = model.objects.order_by("pk").prefetch_related(*model.parts)
    page = list(rows[:batch])
    while page:
        if suspects := [row.pk for row, _ in _compared(page)]:
            yield from _for_certain(model, suspects)
        page = list(rows.filter(pk__gt=page[-1].pk)[:batch])


def _for_certain(model: type[Aggregate], keys: Sequence[Any]) -> list[str]:
    """Compares again under a row lock, because a row may have changed between reading it and reading its stream."""
    with transaction.atomic():
        rows = model.objects.filter(pk__in=keys).order_by("pk").prefetch_related(*model.parts)
        return [sentence for _, sentence in _compared(list(rows.select_for_update(no_key=True)))]


def _compared(rows: Sequence[Aggregate]) -> Iterator[tuple[Aggregate, str]]:
    known = histories([row.stream for row in rows])
    for row in rows:
        if sentence := _difference(row, known[row.stream]):
            yield row, f"{row.stream}: {sentence}"


def _difference(row: Aggregate, history: History) -> str:
    if history.error:
        return history.error
    if not history.whole:
        return f"the stream's versions have gaps: {history.versions}"
    if row.version != len(history.events):
        return f"the row is at version {row.version}, its stream at {len(history.events)}"
    if not history.events:
        return ""  # a row was created, and nothing has happened to it yet
    try:
        state = fold(row.evolve, history.events)
    except Exception as error:  # noqa: BLE001  an inconsistent history may make `evolve` raise anything
        return f"its stream cannot be folded: {error!r}"
    return _unlike(row.folded(), state)


def _unlike(row: Any, state: Any) -> str:
    fields = [name for name in row.__struct_fields__ if getattr(row, name) != getattr(state, name)]
    return "; ".join(
        f"{name} is {getattr(row, name)!r} in the row, {getattr(state, name)!r} in the log" for name in fields
    )


def _without_row(batch: int) -> Iterator[str]:
    models = {model.stream_kind: model for model in aggregates()}
    last = ""
    while streams := [stream for (stream,) in execute(sql.STREAMS_BEHIND, [last, batch])]:
        last = streams[-1]
        for kind, model in models.items():
            keys = _keys(model, [stream for stream in streams if stream.partition(":")[0] == kind])
            there = set(model.objects.filter(pk__in=keys).values_list("pk", flat=True))
            yield from (
                f"{stream}: the stream has events but no row" for key, stream in keys.items() if key not in there
            )


def _keys(model: type[Aggregate], streams: Sequence[str]) -> dict[Any, str]:
    """By primary key; a stream whose id is none of this model's is about something else."""
    keys = {}
    for stream in streams:
        try:
            keys[model._meta.pk.to_python(stream.partition(":")[2])] = stream
        except ValidationError:
            continue
    return keys
