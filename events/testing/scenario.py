"""Given these events, when this happens, expect those events: over the real log, or as a pure fold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Max

from events.declare.codec import decode, encode_json
from events.declare.event import Event
from events.errors import Refused
from events.log.aggregate import Aggregate, save_all
from events.log.append import emit
from events.log.fold import fold
from events.models import StoredEvent
from events.testing.draining import drain
from events.testing.matching import Expected, told, unlike

Command = Callable[[], object]


def given(*past: Event | Aggregate) -> Given:
    """What has happened before: events, and aggregates with what they recorded.

    Events are recorded at the end of their streams, without a row: give the aggregate where the command loads one.
    Nothing is written before `expect` or `expect_refusal` is called, and nothing at all by `expect_state`.
    """
    return Given(past)


@dataclass(frozen=True)
class Given:
    """What has happened before."""

    past: Sequence[Event | Aggregate]

    def when(self, happens: Command | Event) -> When:
        """A command, which is called; or an event, which is recorded and handled by all its subscribers.

        What a command recorded at a given aggregate, and did not save, is saved after it. An event needs committed
        rows: mark the test with `django_db(transaction=True)`.
        """
        return When(self.past, happens)

    def expect_state(self, evolve: Callable[[Any, Any], Any], state: object = None, /, **fields: Any) -> None:
        """The events, folded by `evolve`, make this state, or one with these fields. Pure: it needs no database.

        Raises AssertionError, naming each field that differs, and TypeError if it is given nothing to compare.
        """
        __tracebackhide__ = True
        if state is None and not fields:
            raise TypeError("expect_state() has nothing to compare: pass the state, or some of its fields by name")
        folded = fold(evolve, _events_of(self.past))
        if state is not None and folded != state:
            raise AssertionError(f"The events make another state.\n  expected: {state!r}\n  folded:   {folded!r}")
        wrong = [
            f"  {name} is {getattr(folded, name, 'not there')!r}, expected {value!r}"
            for name, value in fields.items()
            if getattr(folded, name, _MISSING) != value
        ]
        if wrong:
            raise AssertionError("\n".join(["The events make another state:", *wrong]))


@dataclass(frozen=True)
class When:
    """What happens; `expect` and `expect_refusal` make it happen."""

    past: Sequence[Event | Aggregate]
    happens: Command | Event

    def expect(self, *events: Expected, in_any_order: bool = False) -> Then:
        """It happens, and exactly these events are recorded by it, in this order; none, if none is named.

        An event that happens is not itself among them: they are what its subscribers recorded. An error of the command
        is raised as it is. Raises AssertionError, with a line for each event that differs.
        """
        __tracebackhide__ = True
        last = self._begin()
        result = self._finish()
        recorded = _recorded_after(last)
        if difference := unlike(events, recorded, in_any_order=in_any_order):
            raise AssertionError(f"Other events were recorded than expected:\n{difference}")
        return Then(recorded, result)

    def expect_refusal(self, refusal: str | type[Exception], *, saying: str = "") -> Exception:
        """It is refused with this code, or by an exception of this type, and records nothing. Returns the exception.

        `saying`: what the exception's message must contain. Raises AssertionError if it is refused otherwise or not at
        all, and TypeError for an event: its refusals are dead deliveries (see `Deliveries`).
        """
        __tracebackhide__ = True
        if isinstance(self.happens, Event):
            raise TypeError("an event cannot be refused, only its deliveries can die: look at them with Deliveries()")
        kind = Refused if isinstance(refusal, str) else refusal
        last = self._begin()
        try:
            self._finish()
        except kind as error:
            _check_refusal(error, refusal, saying, _recorded_after(last))
            return error
        recorded = _listed(_recorded_after(last))
        raise AssertionError(f"Expected the refusal {_named(refusal)}, but it was not refused. It recorded:{recorded}")

    def _begin(self) -> int:
        """Up to what happens. Returns the position in the log after which the events are new."""
        save_all([one for one in self._aggregates() if one.recorded])
        emit(one for one in self.past if isinstance(one, Event))
        if isinstance(self.happens, Event):
            drain()  # the past has been handled
            emit([self.happens])
        return _last_position()

    def _finish(self) -> object:
        if isinstance(self.happens, Event):
            return drain()
        result = self.happens()
        save_all([one for one in self._aggregates() if one.recorded])
        return result

    def _aggregates(self) -> list[Aggregate]:
        return [one for one in self.past if isinstance(one, Aggregate)]


@dataclass(frozen=True)
class Then:
    """What was recorded, and what the command returned; for an event, the names of the tasks that ran."""

    events: Sequence[Event]
    result: object


_MISSING = object()


def _events_of(past: Sequence[Event | Aggregate]) -> list[Event]:
    return [event for one in past for event in ([one] if isinstance(one, Event) else one.recorded)]


def _last_position() -> int:
    return int(StoredEvent.objects.aggregate(last=Max("position"))["last"] or 0)


def _recorded_after(position: int) -> list[Event]:
    rows = StoredEvent.objects.filter(position__gt=position).order_by("position")
    return [decode(row.type, row.version, encode_json(row.data)) for row in rows]


def _check_refusal(error: Exception, refusal: str | type[Exception], saying: str, recorded: Sequence[Event]) -> None:
    __tracebackhide__ = True
    if isinstance(error, Refused) and isinstance(refusal, str) and error.code != refusal:
        raise AssertionError(f"Expected the refusal {refusal!r}; it is {error.code!r}: {error}") from error
    if saying not in str(error):
        raise AssertionError(f"Expected a refusal that says {saying!r}; it says {str(error)!r}") from error
    if recorded:
        raise AssertionError(f"It was refused, and still recorded:{_listed(recorded)}") from error


def _named(refusal: str | type[Exception]) -> str:
    return repr(refusal) if isinstance(refusal, str) else refusal.__name__


def _listed(events: Sequence[Event]) -> str:
    return "".join(f"\n  {told(event)}" for event in events) or " nothing"
