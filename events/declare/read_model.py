"""Read models: tables derived from events alone. A rebuild recreates one from the log beside the live one and swaps.

Every row belongs to a build; `events_build` names the live build. A handler of deliveries holds a share lock on that
row until its commit, and the swap takes an exclusive lock, so no event is lost between two builds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from django.db import models
from django.db.models import Subquery, Value
from django.db.models.functions import Coalesce

from events.db.query import execute
from events.declare import sql
from events.models import Build

M = TypeVar("M", bound="ReadModel")
FIRST = 1
"""The number of the build of a read model that was never rebuilt."""


class ReadModelQuerySet(models.QuerySet[M]):
    def live(self) -> ReadModelQuerySet[M]:
        """The rows of the live build. Readers must use this."""
        live = Build.objects.filter(name=self.model._meta.label).values("live")
        return self.filter(build=Coalesce(Subquery(live), Value(FIRST)))


class ReadModel(models.Model):
    """Base class of a read model's rows. Unique constraints and indexes must begin with `build`."""

    build = models.PositiveIntegerField(default=FIRST, editable=False)

    objects = ReadModelQuerySet.as_manager()

    class Meta:
        abstract = True


@dataclass(frozen=True)
class Live:
    """The live build. It already contains the events up to `boundary`."""

    build: int
    boundary: int


def hold_live(model: type[ReadModel]) -> Live:
    """The live build, under a share lock that keeps it live until the caller's transaction ends."""
    name = model._meta.label
    while not (rows := execute(sql.HOLD_BUILD, [name])):
        execute(sql.ADD_BUILD, [name])
    return Live(*rows[0])


def next_build(model: type[ReadModel]) -> int:
    """Reserves a new build number."""
    execute(sql.ADD_BUILD, [model._meta.label])
    number: int = execute(sql.NEXT_BUILD, [model._meta.label])[0][0]
    return number


def make_live(model: type[ReadModel], live: Live) -> None:
    """Swaps the live build. The caller's transaction must have called `lock_live` before it read the missing events."""
    Build.objects.filter(name=model._meta.label).update(live=live.build, boundary=live.boundary)


def lock_live(model: type[ReadModel]) -> None:
    """Waits for running handlers of this model, and blocks new ones until the caller's transaction ends."""
    Build.objects.select_for_update().get(name=model._meta.label)
