"""How far a reader walks to follow a step: from its task to the statement that concludes it, without turning back."""

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from events.db import query
from events.delivery.relay import Relay
from orderproject.stack.processes import PROJECT
from sagas.engine import sql, steps
from tests.integration import errands
from tests.integration.mail import Mail
from tests.integration.test_sagas import wanted

pytestmark = pytest.mark.django_db(transaction=True)

ENGINE = PROJECT / "sagas"
RUNS = {"run_ids", "cohort", "calls", "rows", "taken", "outcomes", "leased", "results", "answers", "move"}
"""The names under which functions take the runs of a cohort, or what was made of them."""
ROOMS, RETURNS = 8, 4


class Trip:
    """The modules of the saga kernel that the runs of a cohort are handed to, in the order of the calls."""

    def __init__(self) -> None:
        self.stays: list[str] = []
        self.arrived = False

    def enter(self, room: str) -> None:
        if not self.arrived and (not self.stays or self.stays[-1] != room):
            self.stays.append(room)

    @property
    def rooms(self) -> set[str]:
        return set(self.stays)

    @property
    def returns(self) -> int:
        return len(self.stays) - len(self.rooms)


@contextmanager
def followed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    """Wraps each function of the saga kernel that takes runs, wherever a module holds it.

    Not with `sys.setprofile`: CPython 3.11 can spin forever in a profiled process that has other threads.
    """
    trip, usual = Trip(), query.execute

    def execute(statement: str, parameters: Any) -> Any:
        trip.arrived = trip.arrived or statement in {sql.CONCLUDE, sql.CONCLUDE_AND_TELL}
        return usual(statement, parameters)

    with monkeypatch.context() as patches:
        patches.setattr(steps, "execute", execute)
        for holder, name, function in list(_functions_that_take_runs()):
            patches.setattr(holder, name, _noting(trip, function))
        yield trip


def _functions_that_take_runs() -> Iterator[tuple[Any, str, Any]]:
    """Each place that holds such a function: a module or a class, the name there, the function."""
    for module in [found for name, found in sys.modules.items() if name.split(".")[0] == ENGINE.name]:
        for holder in [module, *(one for one in vars(module).values() if inspect.isclass(one))]:
            for name, one in list(vars(holder).items()):
                if inspect.isfunction(one) and _room(one) and RUNS & set(inspect.signature(one).parameters):
                    yield holder, name, one


def _room(function: Any) -> str:
    """The function's module in the saga kernel; empty for a function from elsewhere."""
    path = Path(inspect.unwrap(function).__code__.co_filename)
    return path.relative_to(ENGINE).as_posix() if ENGINE in path.parents else ""


def _noting(trip: Trip, function: Any) -> Any:
    room = _room(function)

    @wraps(function)
    def noting(*args: Any, **named: Any) -> Any:
        trip.enter(room)
        return function(*args, **named)

    return noting


@pytest.mark.parametrize("task", ["tests.fetch", "tests.ask"], ids=["database step", "network step"])
def test_a_step_is_followed_without_turning_back(mail: Mail, monkeypatch: pytest.MonkeyPatch, task: str):
    errands.forget()
    wanted(3)
    Relay().pump()
    messages = dict(mail.messages())
    with followed(monkeypatch) as trip:
        mail.app.tasks[task](*messages[task])
    print(trip.stays)
    assert trip.arrived
    assert len(trip.rooms) <= ROOMS, trip.stays
    assert trip.returns <= RETURNS, trip.stays
