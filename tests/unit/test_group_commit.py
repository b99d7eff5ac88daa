"""What comes while something is under way goes together, and each gets its own outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from django.db import DataError, OperationalError

from orders.placing.group_commit import GroupCommit

PATIENCE = 10


class Work:
    """Doubles numbers; the first call waits until the test lets it go on."""

    def __init__(self, raising: Callable[[Sequence[int]], BaseException | None] = lambda items: None) -> None:
        self.calls: list[list[int]] = []
        self.begun, self.may_end = Event(), Event()
        self.raising = raising

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.calls.append(list(items))
        if not self.begun.is_set():
            self.begun.set()
            assert self.may_end.wait(PATIENCE)
        if error := self.raising(items):
            raise error
        return [item * 2 for item in items]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(20) as threads:
        yield threads


def crowd(pool: ThreadPoolExecutor, work: Work, most: int = 100, count: int = 10) -> list[Future[int]]:
    """Number 0 is under way before the others come, and all of them wait before it ends."""
    together = GroupCommit(work, most)
    asked = [pool.submit(together, 0)]
    assert work.begun.wait(PATIENCE)
    asked += [pool.submit(together, number) for number in range(1, count)]
    while len(together._waiting) < count - 1:
        assert not any(future.done() for future in asked)
    work.may_end.set()
    return asked


def outcome(future: Future[int]) -> Any:
    error = future.exception(PATIENCE)
    return type(error) if error else future.result()


def test_one_goes_at_once_and_alone() -> None:
    work = Work()
    work.may_end.set()
    together = GroupCommit(work)
    assert [together(1), together(2)] == [2, 4]
    assert work.calls == [[1], [2]]


def test_those_who_come_meanwhile_go_together(pool: ThreadPoolExecutor) -> None:
    work = Work()
    asked = crowd(pool, work)
    assert [outcome(one) for one in asked] == [number * 2 for number in range(10)]
    assert [sorted(call) for call in work.calls] == [[0], list(range(1, 10))]


def test_no_batch_is_larger_than_the_most(pool: ThreadPoolExecutor) -> None:
    work = Work()
    asked = crowd(pool, work, most=4)
    assert [outcome(one) for one in asked] == [number * 2 for number in range(10)]
    assert [len(call) for call in work.calls] == [1, 4, 4, 1]


def test_what_is_wrong_with_one_is_told_to_that_one_only(pool: ThreadPoolExecutor) -> None:
    work = Work(lambda items: DataError("too long") if 7 in items else None)
    asked = crowd(pool, work)
    assert [outcome(one) for one in asked] == [*(number * 2 for number in range(7)), DataError, 16, 18]


def test_that_the_database_is_away_is_told_to_all_and_asked_once(pool: ThreadPoolExecutor) -> None:
    work = Work(lambda items: OperationalError("away") if len(items) > 1 else None)
    asked = crowd(pool, work)
    assert [outcome(one) for one in asked] == [0, *[OperationalError] * 9]
    assert len(work.calls) == 2


def test_it_goes_on_after_a_thread_that_was_stopped_in_the_middle(pool: ThreadPoolExecutor) -> None:
    work = Work(lambda items: SystemExit() if len(items) > 1 else None)
    outcomes = [outcome(one) for one in crowd(pool, work)]
    assert sorted(outcomes, key=str) == sorted([SystemExit, *(n * 2 for n in range(10) if n * 2 in outcomes)], key=str)
    assert len(outcomes) - 1 == sum(isinstance(one, int) for one in outcomes) == 9
