"""Plans the jobs: contenders run in turn, with another one first in each round, so that drift affects all equally."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.contenders import NAMES, OURS, PEERS, PROGRAMS, SCENARIOS
from bench.scenarios import SIZES, past_of

INPROCESS, HTTP = "inprocess", "http"
COMPARED_OVER_HTTP = ("storm", "light")
"""Scenarios with a second table, in which every contender calls the sandbox over HTTP."""
NOT_QUICK = ("bulk", "sse", "relay", "replay", "streams", "idle", "soak", "tracing", "publishing")
"""Scenarios besides growth that take too long for a quick run. A quick run includes them only if they are named."""
IN_NO_BAR = {("light", "celery-solo"), ("light", "dbos-direct"), ("drain", "dbos-queue")}
"""Contenders that a quick run includes only if they are named."""
LONG_PAST = 100_000
"""The number of stored orders above which a scenario runs only once, because loading them takes minutes."""


@dataclass(frozen=True)
class Job:
    """One program on a fresh database. Only our own scenarios share one, and only in a quick run."""

    round: int
    contender: str
    gateway: str
    scenarios: tuple[tuple[str, int], ...]

    @property
    def name(self) -> str:
        return f"{self.round}-{'-'.join(name for name, _ in self.scenarios)}-{self.contender}-{self.gateway}"


@dataclass(frozen=True)
class Wish:
    """The requested runs. Empty means all; an empty `gateway` means the default of each scenario."""

    scenarios: Sequence[str] = ()
    contenders: Sequence[str] = ()
    rounds: int = 1
    quick: bool = False
    orders: int = 0
    gateway: str = ""

    @property
    def everything(self) -> bool:
        return not (self.scenarios or self.contenders or self.quick or self.orders or self.gateway)

    def names(self) -> Sequence[str]:
        """The requested scenarios in sequence."""
        left_out = [name for name in SCENARIOS if name in NOT_QUICK or past_of(name)] if self.quick else []
        return self.scenarios or [name for name in SCENARIOS if name not in left_out]


def jobs(wish: Wish) -> Iterator[Job]:
    """All jobs in the sequence in which they run."""
    for number in range(1, wish.rounds + 1):
        runs = list(_runs(wish, number))
        yield from _together(runs) if wish.quick else runs


def _runs(wish: Wish, number: int) -> Iterator[Job]:
    for scenario in wish.names():
        if number > 1 and _is_long(scenario):
            continue
        for gateway in _gateways(scenario, wish):
            for contender in _rotated(NAMES, number - 1):
                if _takes_part(contender, scenario, wish):
                    yield Job(number, contender, gateway, ((scenario, _orders(contender, scenario, wish)),))


def _is_long(scenario: str) -> bool:
    return PROGRAMS[scenario].once if scenario in PROGRAMS else past_of(scenario) > LONG_PAST


def _gateways(scenario: str, wish: Wish) -> tuple[str, ...]:
    if wish.gateway and scenario not in PROGRAMS:
        return (wish.gateway,)
    return (INPROCESS, HTTP) if scenario in COMPARED_OVER_HTTP and wish.everything else (INPROCESS,)


def _takes_part(contender: str, scenario: str, wish: Wish) -> bool:
    if wish.contenders and contender not in wish.contenders:
        return False
    if wish.quick and not wish.contenders and (scenario, contender) in IN_NO_BAR:
        return False
    return contender == OURS or scenario in PEERS[contender].scenarios


def _orders(contender: str, scenario: str, wish: Wish) -> int:
    """The number of orders; None for programs, which have their own numbers."""
    if scenario in PROGRAMS:
        return 0
    size = SIZES[scenario] if contender == OURS else PEERS[contender].scenarios[scenario][1]
    return wish.orders or (size.quick if wish.quick else size.full)


def _rotated(names: Sequence[str], places: int) -> list[str]:
    places %= len(names)
    return [*names[places:], *names[:places]]


def _together(runs: Sequence[Job]) -> Iterator[Job]:
    """Combines our scenarios into one job, because starting the stack takes longer than a quick scenario."""
    shared: dict[str, list[tuple[str, int]]] = {}
    for run in runs:
        if _shares(run):
            shared.setdefault(run.gateway, []).extend(run.scenarios)
    for run in runs:
        if not _shares(run):
            yield run
        elif scenarios := shared.pop(run.gateway, None):
            yield Job(run.round, OURS, run.gateway, tuple(scenarios))


def _shares(run: Job) -> bool:
    (name, _), *_ = run.scenarios
    return run.contender == OURS and name not in PROGRAMS and not past_of(name)
