"""Breakers: while a server is away nobody waits for it, and nothing loses an attempt over it.

One breaker is one hash in Valkey, shared by all workers and changed by one atomic script (`breaker.lua`): a permit
before a batch of calls, a report after it. Closed lets everything through. It opens when, within the window, at least
`minimum_calls` were made and `error_ratio` of them failed, or when `in_a_row` calls failed quickly without
a success between them: a window full of yesterday's successes must not hide that the server has just gone.
After `cool_down` it is half open: `probes` calls at a time try, a success closes it, a failure opens it again.

Valkey away: calls go through. A key that nobody touches vanishes, which means closed.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis
import structlog

from events import wake
from events.errors import DeclarationError

if TYPE_CHECKING:
    from redis.commands.core import Script

SCRIPT = Path(__file__).with_name("breaker.lua")
FORCED_FOR = 7 * 24 * 3600.0
"""Seconds after which a forced state lapses: whoever forced it may have forgotten."""
KEPT_FOR = 600.0
QUIET = 1.0
"""Seconds without a try after Valkey failed."""
BELIEVED = 0.25
"""Seconds for which a process that was told "closed" need not ask again, unless a report says otherwise."""

log = structlog.get_logger(__name__)


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True)
class Permit:
    """How many of the calls may be made now; the others are worth asking for again in `wait` seconds."""

    granted: int
    state: State
    wait: float = 0.0
    era: int = -1


@dataclass(frozen=True)
class Snapshot:
    """What people see of a breaker. `since` is None for one that nothing has happened to."""

    name: str
    state: State
    since: datetime | None
    successes: int
    failures: int
    probing: int
    forced: bool
    by: str
    why: str
    forced_at: datetime | None
    forced_until: datetime | None


@dataclass(frozen=True)
class Breaker:
    """`is_fault` says which errors are the server's absence; whatever else it answers is an answer. Times in seconds.

    `PAYMENTS = declare_breaker(Breaker("payments", …))`, then `breaker=PAYMENTS` or `breaker="payments"`.
    """

    name: str
    is_fault: Callable[[Exception], bool]
    window: float = 30.0
    minimum_calls: int = 20
    error_ratio: float = 0.5
    in_a_row: int = 0
    cool_down: float = 5.0
    probes: int = 3
    probe_timeout: float = 15.0

    def __post_init__(self) -> None:
        times = (self.window, self.cool_down, self.probe_timeout)
        if min(times) <= 0 or min(self.minimum_calls, self.probes) < 1 or self.in_a_row < 0:
            raise DeclarationError(f"breaker {self.name}: times, minimum_calls and probes must be above 0")
        if not 0 < self.error_ratio <= 1:
            raise DeclarationError(f"breaker {self.name}: error_ratio must be above 0 and at most 1")

    @property
    def key(self) -> str:
        return f"events:breaker:{self.name}"

    @cached_property
    def _declared(self) -> str:
        """As the script wants it; one text, since every argument costs the client time."""
        times = (self.window, self.cool_down, self.probe_timeout)
        window, cool_down, probe_timeout = (int(seconds * 1000) for seconds in times)
        kept_for = int(max(KEPT_FOR * 1000, 2 * (window + cool_down + probe_timeout)))
        numbers = (window, self.minimum_calls, self.error_ratio, self.in_a_row, cool_down, self.probes, probe_timeout)
        return " ".join(str(number) for number in (*numbers, kept_for))

    def permit(self, calls: int) -> Permit:
        """Asks for a batch of calls, before anything is leased for them. Never raises."""
        until, era = _closed.get(self.name, (0.0, 0))
        if time.monotonic() < until:
            return Permit(calls, State.CLOSED, era=era)
        answer = self._try("permit", calls)
        if answer is None:
            return Permit(calls, State.CLOSED)
        state, era, granted, wait, _ = answer
        if state == b"closed":
            _closed[self.name] = time.monotonic() + BELIEVED, era
        return Permit(granted, State(state.decode()), _spread(wait), era)

    def report(self, permit: Permit, successes: int, failures: int, *, quick: int = 0, unused: int = 0) -> float | None:
        """How permitted calls ended. `quick`: failures that took no patience; `unused`: permitted and not made.

        Never raises. Returns for how many seconds to postpone what failed, or None: then failures count as attempts.
        """
        if not (successes or failures or (unused and permit.state is State.HALF_OPEN)):
            return None
        answer = self._try("report", permit.era, successes, failures, quick, unused)
        if answer is None or State(answer[0].decode()) is State.CLOSED:
            return None
        _closed.pop(self.name, None)
        return _spread(answer[3])

    def force(self, state: State, *, by: str, why: str) -> None:
        """Open or closed until `release`, for a week at most. Raises redis.RedisError."""
        if state is State.HALF_OPEN:
            raise ValueError("a breaker is forced open or closed")
        _closed.pop(self.name, None)
        self._run("force", str(state), int(FORCED_FOR * 1000), by, why)
        log.warning("breaker forced", breaker=self.name, state=str(state), by=by, why=why)

    def release(self, *, by: str) -> None:
        """It decides by itself again; one that was forced open tries with probes first. Raises redis.RedisError."""
        self._run("release")
        log.warning("breaker released", breaker=self.name, by=by)

    def snapshot(self) -> Snapshot:
        """Raises redis.RedisError."""
        state, era, successes, failures, probing, forced, by, why, forced_at, until = self._run("show")
        return Snapshot(
            self.name, State(state.decode()), _moment(era), successes, failures, probing, bool(forced), by.decode(),
            why.decode(), _moment(forced_at), _moment(until) if forced else None,
        )  # fmt: skip

    def forget(self) -> None:
        """As if nothing had ever happened. Raises redis.RedisError."""
        _closed.pop(self.name, None)
        wake.client().delete(self.key)

    def _try(self, operation: str, *arguments: int) -> list[Any] | None:
        """None where Valkey is away: the call then goes through."""
        global _quiet_until  # noqa: PLW0603  one moment per process
        if time.monotonic() < _quiet_until:
            return None
        try:
            answer = self._run(operation, *arguments)
        except redis.RedisError as error:
            _quiet_until = time.monotonic() + QUIET
            log.warning("breakers let everything through", error=str(error))
            return None
        if answer[4]:
            log.warning("breaker moved", breaker=self.name, state=answer[0].decode())
        return answer

    def _run(self, operation: str, *arguments: int | str) -> list[Any]:
        answer: list[Any] = _script()([self.key], [operation, self._declared, *arguments], wake.client())
        return answer


_quiet_until = 0.0
_closed: dict[str, tuple[float, int]] = {}
"""Breakers that are closed for all that this process knows: until when it believes so, and since when they are."""
_breakers: dict[str, Breaker] = {}


@cache
def _script() -> Script:
    """EVALSHA; where the server has forgotten the script it is loaded again."""
    return wake.client().register_script(SCRIPT.read_text())


def _spread(milliseconds: int) -> float:
    """Up to half as long again, so that what waits does not come back all at once."""
    return milliseconds / 1000 * (1 + random.random() / 2) + 0.05  # noqa: S311  no secret  # nosec B311


def _moment(milliseconds: int) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None


def declare_breaker(one: Breaker) -> Breaker:
    """At module level, once per server. Raises DeclarationError for a name that is taken."""
    if one.name in _breakers:
        raise DeclarationError(f"breaker {one.name}: is already declared; one server has one breaker")
    _breakers[one.name] = one
    return one


def breakers() -> list[Breaker]:
    """Every declared breaker, by name."""
    return [_breakers[name] for name in sorted(_breakers)]


def breaker(name: str) -> Breaker:
    """Raises LookupError, naming those that there are."""
    try:
        return _breakers[name]
    except KeyError:
        raise LookupError(f"no breaker {name!r} is declared; there are {', '.join(sorted(_breakers))}") from None


def resolve(wanted: Breaker | str | None, place: str) -> Breaker | None:
    """A declared breaker, given itself or by name. Raises DeclarationError, naming the place."""
    if wanted is None:
        return None
    name = wanted if isinstance(wanted, str) else wanted.name
    known = _breakers.get(name)
    if known is None or (isinstance(wanted, Breaker) and wanted is not known):
        raise DeclarationError(f"{place}: breaker={name!r} is not declared: see events.breaker.declare_breaker")
    return known
