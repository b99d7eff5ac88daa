"""Circuit breakers: while an external server is down, calls to it are postponed and cost no attempt.

One breaker is one hash in Valkey, shared by all workers and changed by one atomic script (`breaker.lua`): `permit`
before a batch of calls, `report` after it. A closed breaker lets everything through. It opens when, within the window,
at least `minimum_calls` calls were made and `error_ratio` of them failed; or when `in_a_row` calls failed quickly
without a success in between, so that earlier successes in the window do not hide a new outage. After `cool_down` it is
half open: it permits `probes` calls at a time; a success closes it, a failure opens it again.

If Valkey is unreachable, every call goes through. A key that is not used expires, which means closed.
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
from typing import Any

import redis
import structlog
from redis.commands.core import Script

from events.db import valkey
from events.errors import DeclarationError
from events.metrics.declare import Counter

SCRIPT = Path(__file__).with_name("breaker.lua")
FORCED_FOR = 7 * 24 * 3600.0
"""Seconds after which a forced state expires, in case it was forgotten."""
KEPT_FOR = 600.0
"""Seconds for which an unused breaker's state is kept, at least."""
QUIET = 1.0
"""Seconds without another request to Valkey after one failed."""
CLOSED_CACHE_SECONDS = 0.25
"""Seconds for which a process caches the state "closed". A report of another state clears the cache."""

log = structlog.get_logger(__name__)


def _known() -> list[tuple[str, ...]]:
    return [(name,) for name in sorted(_breakers)]


REFUSED = Counter(
    "events_breaker_refused_calls_total", "Calls that were asked for and not permitted.", ("breaker",), known=_known
)
OPENED = Counter("events_breaker_opened_total", "Times that a breaker opened.", ("breaker",), known=_known)


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True)
class Permit:
    """How many of the calls may be made now. Request the others again after `wait` seconds."""

    granted: int
    state: State
    wait: float = 0.0
    era: int = -1


@dataclass(frozen=True)
class Snapshot:
    """The state of a breaker for display. `since` is None for a breaker whose state never changed."""

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
    """A circuit breaker. Times are in seconds.

    `is_fault` returns True for errors that mean the server is down; the breaker counts any other error as an answer.
    Declare it with `PAYMENTS = declare_breaker(Breaker("payments", …))`, then use `breaker=PAYMENTS` or
    `breaker="payments"`.
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
        """The parameters as one string for the script, because every further argument costs the client time."""
        times = (self.window, self.cool_down, self.probe_timeout)
        window, cool_down, probe_timeout = (int(seconds * 1000) for seconds in times)
        kept_for = int(max(KEPT_FOR * 1000, 2 * (window + cool_down + probe_timeout)))
        numbers = (window, self.minimum_calls, self.error_ratio, self.in_a_row, cool_down, self.probes, probe_timeout)
        return " ".join(str(number) for number in (*numbers, kept_for))

    def permit(self, calls: int) -> Permit:
        """Requests permission for a batch of calls; call it before you lease anything for them. Never raises."""
        until, era = _closed.get(self.name, (0.0, 0))
        if time.monotonic() < until:
            return Permit(calls, State.CLOSED, era=era)
        answer = self._try("permit", calls)
        if answer is None:
            return Permit(calls, State.CLOSED)
        state, era, granted, wait, _ = answer
        REFUSED.add(calls - granted, self.name)
        if state == b"closed":
            _closed[self.name] = time.monotonic() + CLOSED_CACHE_SECONDS, era
        return Permit(granted, State(state.decode()), _spread(wait), era)

    def report(self, permit: Permit, successes: int, failures: int, *, quick: int = 0, unused: int = 0) -> float | None:
        """How permitted calls ended. `quick`: failures that took no patience; `unused`: permits without a call.

        Returns the seconds by which to postpone failed calls, or None if failures count as attempts. Never raises.
        """
        if not (successes or failures or (unused and permit.state is State.HALF_OPEN)):
            return None
        answer = self._try("report", permit.era, successes, failures, quick, unused)
        if answer is None or State(answer[0].decode()) is State.CLOSED:
            return None
        _closed.pop(self.name, None)
        return _spread(answer[3])

    def force(self, state: State, *, by: str, why: str) -> None:
        """Forces the breaker open or closed until `release`, for a week at most. Raises redis.RedisError."""
        if state is State.HALF_OPEN:
            raise ValueError("a breaker can only be forced open or closed")
        _closed.pop(self.name, None)
        self._run("force", str(state), int(FORCED_FOR * 1000), by, why)
        log.warning("breaker forced", breaker=self.name, state=str(state), by=by, why=why)

    def release(self, *, by: str) -> None:
        """Ends a forced state. A breaker that was forced open becomes half open. Raises redis.RedisError."""
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
        """Deletes the breaker's state, so that it is closed. Raises redis.RedisError."""
        _closed.pop(self.name, None)
        valkey.client().delete(self.key)

    def _try(self, operation: str, *arguments: int) -> list[Any] | None:
        """Runs the script; None if Valkey is unreachable, and the caller then permits its calls."""
        global _quiet_until  # noqa: PLW0603  one moment per process
        if time.monotonic() < _quiet_until:
            return None
        try:
            answer = self._run(operation, *arguments)
        except redis.RedisError as error:
            _quiet_until = time.monotonic() + QUIET
            log.warning("Valkey is unreachable; breakers let every call through", error=str(error))
            return None
        if answer[4]:
            if answer[0] == b"open":
                OPENED.add(1, self.name)
            log.warning("breaker changed state", breaker=self.name, state=answer[0].decode())
        return answer

    def _run(self, operation: str, *arguments: int | str) -> list[Any]:
        answer: list[Any] = _script()([self.key], [operation, self._declared, *arguments], valkey.client())
        return answer


_quiet_until = 0.0
_closed: dict[str, tuple[float, int]] = {}
"""The cache of closed breakers: when the cache entry expires (monotonic time), and the breaker's era."""
_breakers: dict[str, Breaker] = {}


@cache
def _script() -> Script:
    """Runs by EVALSHA; if the server does not know the script, the client loads it again."""
    return valkey.client().register_script(SCRIPT.read_text())


def _spread(milliseconds: int) -> float:
    """Seconds to wait: up to 50 % longer at random, so that postponed calls do not all return at the same time."""
    return milliseconds / 1000 * (1 + random.random() / 2) + 0.05  # noqa: S311  no secret  # nosec B311


def _moment(milliseconds: int) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None


def declare_breaker(one: Breaker) -> Breaker:
    """Call it at module level, once per external server. Raises DeclarationError if the name is taken."""
    if one.name in _breakers:
        raise DeclarationError(f"breaker {one.name}: is already declared; one server has one breaker")
    _breakers[one.name] = one
    return one


def breakers() -> list[Breaker]:
    """Every declared breaker, by name."""
    return [_breakers[name] for name in sorted(_breakers)]


def breaker(name: str) -> Breaker:
    """The breaker of this name. Raises LookupError, which lists the declared breakers."""
    try:
        return _breakers[name]
    except KeyError:
        raise LookupError(f"no breaker {name!r} is declared; use one of {', '.join(sorted(_breakers))}") from None


def resolve(wanted: Breaker | str | None, place: str) -> Breaker | None:
    """The declared breaker, given itself or by name. Raises DeclarationError, naming the place, if undeclared."""
    if wanted is None:
        return None
    name = wanted if isinstance(wanted, str) else wanted.name
    known = _breakers.get(name)
    if known is None or (isinstance(wanted, Breaker) and wanted is not known):
        raise DeclarationError(
            f"{place}: breaker={name!r} is not declared: see events.breakers.breaker.declare_breaker"
        )
    return known
