"""Read models: tables made of events alone. A rebuild makes one anew from the log, beside the live one, and swaps.

Every row belongs to a build, and the build that is live is named in `events_build`. Who handles deliveries holds that
row shared until its commit; the swap takes it for itself alone, so no event falls between two builds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from django.db import models
from django.db.models import Subquery, Value
from django.db.models.functions import Coalesce

from events import sql
from events.models import Build

M = TypeVar("M", bound="ReadModel")
FIRST = 1
"""The build of a read model that was never rebuilt."""


class ReadModelQuerySet(models.QuerySet[M]):
    def live(self) -> ReadModelQuerySet[M]:
        """Of the live build: what everybody reads."""
        live = Build.objects.filter(name=self.model._meta.label).values("live")
        return self.filter(build=Coalesce(Subquery(live), Value(FIRST)))


class ReadModel(models.Model):
    """A row that a subscriber makes of events. Unique constraints and indexes begin with `build`."""

    build = models.PositiveIntegerField(default=FIRST, editable=False)

    objects = ReadModelQuerySet.as_manager()

    class Meta:
        abstract = True


@dataclass(frozen=True)
class Live:
    """The live build; events up to `boundary` are in it already."""

    build: int
    boundary: int


def hold_live(model: type[ReadModel]) -> Live:
    """It stays the live one until this transaction ends."""
    name = model._meta.label
    while not (rows := sql.run(sql.HOLD_BUILD, [name])):
        sql.run(sql.ADD_BUILD, [name])
    return Live(*rows[0])


def next_build(model: type[ReadModel]) -> int:
    """A number that no build of this model has had."""
    sql.run(sql.ADD_BUILD, [model._meta.label])
    number: int = sql.run(sql.NEXT_BUILD, [model._meta.label])[0][0]
    return number


def make_live(model: type[ReadModel], live: Live) -> None:
    """The swap; in a transaction that called `lock_live` before it looked for what is still missing."""
    Build.objects.filter(name=model._meta.label).update(live=live.build, boundary=live.boundary)


def lock_live(model: type[ReadModel]) -> None:
    """Waits for whoever is handling deliveries of this model; nobody handles one until this transaction ends."""
    Build.objects.select_for_update().get(name=model._meta.label)
