"""Which event went to which subscriber, and with what outcome: read from the rows, not from the handlers."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Max

from events.declare.event import Event
from events.models import Attempt, Delivery

Named = type[Event] | Event | str
"""An event's class, an event, or a type such as `"order.created"`."""


@dataclass(frozen=True)
class Delivered:
    """One event at one subscriber."""

    event: str
    """The event's type."""
    event_id: UUID
    stream: str
    subscriber: str
    outcome: str
    """`pending`, `done`, `dead` or `discarded`."""
    attempts: int
    """How often it failed."""
    error: str = ""
    """What failed last: the exception's class and its message."""

    def __str__(self) -> str:
        failed = f" after {self.attempts} failed attempt{'s' * (self.attempts != 1)}" if self.attempts else ""
        error = f": {self.error}" if self.error else ""
        return f"{self.event} {self.stream} -> {self.subscriber}: {self.outcome}{failed}{error}"


class Deliveries:
    """The deliveries that are made from now on. Every method reads the rows again."""

    def __init__(self, *, since: int | None = None) -> None:
        """`since`: the id of the last delivery to leave out; by default the last one that there is."""
        self._since = _last_id() if since is None else since

    def of(self, subscriber: str = "", event: Named = "") -> list[Delivered]:
        """In the order in which they were made; all of them, or those of this subscriber and this event."""
        rows = Delivery.objects.filter(id__gt=self._since).select_related("event").order_by("id")
        if subscriber:
            rows = rows.filter(subscriber=subscriber)
        if event:
            rows = rows.filter(event__type=_type_of(event))
        found = list(rows)
        errors = _errors([row.id for row in found])
        return [
            Delivered(
                row.event.type, row.event.event_id, row.event.stream, row.subscriber, row.state, row.attempts,
                errors.get(row.id, ""),
            )
            for row in found
        ]  # fmt: skip

    def expect(
        self, subscriber: str, event: Named, outcome: str = "done", *, times: int = 1, attempts: int | None = None,
        error: str = "",
    ) -> list[Delivered]:  # fmt: skip
        """Exactly so many deliveries of this event to this subscriber, each with this outcome.

        `attempts`: how often each must have failed. `error`: what the last error must contain. Raises
        AssertionError, with a line for each delivery that there is.
        """
        __tracebackhide__ = True
        found = self.of(subscriber, event)
        right = [one for one in found if one.outcome == outcome and attempts in {None, one.attempts}]
        if len(right) != times or len(found) != times or not all(error in one.error for one in right):
            asked = f"{_type_of(event)} -> {subscriber}: {outcome}"
            asked += f" after {attempts} failed attempts" if attempts is not None else ""
            asked += f", with an error that contains {error!r}" if error else ""
            raise AssertionError(f"Expected {times} of this delivery:\n  {asked}\n{self}")
        return found

    def expect_none(self, subscriber: str = "", event: Named = "") -> None:
        """No delivery at all, or none to this subscriber or of this event. Raises AssertionError."""
        __tracebackhide__ = True
        if found := self.of(subscriber, event):
            raise AssertionError(f"Expected no such delivery:\n{_listed(found)}")

    def expect_all_done(self) -> None:
        """Every delivery reached its subscriber. Raises AssertionError, naming those that did not."""
        __tracebackhide__ = True
        if unlike := [one for one in self.of() if one.outcome != "done"]:
            raise AssertionError(f"Expected every delivery to be done; these are not:\n{_listed(unlike)}")

    def __str__(self) -> str:
        """A line for each."""
        found = self.of()
        return f"The deliveries that there are:\n{_listed(found)}" if found else "There are no deliveries."


def _last_id() -> int:
    return int(Delivery.objects.aggregate(last=Max("id"))["last"] or 0)


def _type_of(event: Named) -> str:
    return event if isinstance(event, str) else event.type


def _errors(ids: list[int]) -> dict[int, str]:
    """The last failure of each."""
    failed = Attempt.objects.filter(delivery__in=ids).order_by("delivery_id", "number")
    return {one.delivery_id: f"{one.error_type.rpartition('.')[2]}: {one.error}" for one in failed}


def _listed(deliveries: list[Delivered]) -> str:
    return "\n".join(f"  {one}" for one in deliveries)
