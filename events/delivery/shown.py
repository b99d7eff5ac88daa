"""What became of deliveries, told to Flower: one piece of work for all of a batch that ended alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from events.declare.subscribers import Subscriber
from events.models import Delivery
from events.monitor.pieces import Kind, Problem, is_told, tell


@dataclass(frozen=True)
class Failed:
    """A failed attempt of a delivery. `dead`: it was the last one."""

    id: int
    problem: Problem
    attempt: int
    dead: bool


def handled(subscriber: Subscriber, subjects: Sequence[str], began: float, attempt: int) -> None:
    """The handler has done its work for these. To be called in the transaction of its effect, if it has one."""
    tell(subscriber.name, Kind.SUBSCRIBER, subjects, began=began, retries=attempt - 1)


def failed(subscriber: Subscriber, failures: Iterable[Failed], began: float) -> None:
    """One piece of work for all that failed alike."""
    if not is_told():
        return
    alike: dict[tuple[str, int, bool], list[Failed]] = defaultdict(list)
    for one in failures:
        alike[one.problem.text, one.attempt, one.dead].append(one)
    for (_, attempt, dead), of_one_kind in alike.items():
        tell(
            subscriber.name, Kind.SUBSCRIBER, _subjects([one.id for one in of_one_kind]),
            began=began, problem=of_one_kind[0].problem, final=dead, retries=attempt - 1,
        )  # fmt: skip


def left(subscriber: Subscriber, ids: Sequence[int], why: str, began: float) -> None:
    """No attempt was spent on these; they are sent again."""
    if ids and is_told():
        tell(subscriber.name, Kind.SUBSCRIBER, _subjects(ids), began=began, problem=Problem(why))


def _subjects(ids: Sequence[int]) -> list[str]:
    streams = Delivery.objects.filter(id__in=ids).values_list("event__stream", flat=True)
    return [stream.partition(":")[2] for stream in streams]
