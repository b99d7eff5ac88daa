"""The script on a real Valkey: when it opens, who may try, and what happens without Valkey."""

import threading
import time
from collections.abc import Iterator

import pytest
import redis

from events import DeclarationError
from events.breakers import breaker
from events.breakers.breaker import Breaker, State, declare_breaker, resolve
from events.db import valkey as shared_valkey
from orderproject.stack.ports import free_port
from orderproject.stack.servers.valkey import EmbeddedValkey

Given = dict[str, float]


def made(**options: float) -> Breaker:
    """A fresh one with short times; five calls are enough to judge, half of them failed is too many."""
    short: Given = {"window": 0.8, "minimum_calls": 5, "error_ratio": 0.5, "cool_down": 0.2, "probes": 2}
    one = Breaker("tested", lambda error: isinstance(error, OSError), **{**short, **options})  # type: ignore[arg-type]
    one.forget()
    return one


def calls(one: Breaker, successes: int, failures: int, quick: int = 0) -> float | None:
    return one.report(one.permit(successes + failures), successes, failures, quick=quick)


def opened(**options: float) -> Breaker:
    one = made(**options)
    assert calls(one, 0, 5) is not None
    assert one.snapshot().state is State.OPEN
    return one


@pytest.fixture(autouse=True)
def _no_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "_quiet_until", 0.0)


def test_closed_lets_everything_through():
    one = made()
    assert one.permit(500).granted == 500
    assert calls(one, 500, 0) is None
    assert (one.snapshot().successes, one.snapshot().failures) == (500, 0)


def test_who_was_told_closed_believes_it_for_a_moment_and_loses_no_attempt_over_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(breaker, "CLOSED_CACHE_SECONDS", 0.1)
    one = made(cool_down=60)
    one.permit(1)
    believed = dict(breaker._closed)
    assert calls(one, 0, 5) is not None, "another process finds out"
    monkeypatch.setattr(breaker, "_closed", believed)
    permit = one.permit(3)
    assert permit.granted == 3
    assert one.report(permit, 0, 3) is not None, "open: what failed is postponed"
    assert one.permit(3).granted == 0, "and now this process knows it too"
    monkeypatch.setattr(breaker, "_closed", believed)
    time.sleep(0.15)
    assert one.permit(3).granted == 0


def test_too_few_calls_prove_nothing():
    one = made()
    assert calls(one, 0, 4) is None
    assert one.permit(1).granted == 1
    assert calls(one, 0, 1) is not None
    assert one.permit(1).granted == 0


@pytest.mark.parametrize(
    ("good", "bad", "state"), [(6, 5, "closed"), (5, 5, "open"), (95, 6, "closed"), (0, 5, "open")]
)
def test_the_ratio_decides(good: int, bad: int, state: str):
    one = made()
    calls(one, good, 0)
    calls(one, 0, bad)
    assert one.snapshot().state == state


def test_the_window_slides():
    one = made()
    calls(one, 0, 4)
    time.sleep(0.9)
    assert calls(one, 0, 4) is None
    assert one.snapshot().failures == 4
    time.sleep(0.4)
    assert calls(one, 3, 0) is None
    time.sleep(0.5)  # the failures are out of the window, the successes still in it
    now = one.snapshot()
    assert (now.successes, now.failures) == (3, 0)


def test_quick_failures_in_a_row_open_whatever_the_window_holds():
    one = made(in_a_row=5)
    calls(one, 1000, 0)
    assert calls(one, 0, 4, quick=4) is None
    calls(one, 1, 0)  # a success between them
    assert calls(one, 0, 4, quick=4) is None
    assert calls(one, 0, 100) is None  # those were slow: cards that hang
    assert calls(one, 0, 1, quick=1) is not None


def test_open_postpones_everything_until_the_cool_down_is_over():
    one = opened()
    permit = one.permit(10)
    assert permit.granted == 0
    assert permit.state is State.OPEN
    assert 0.05 < permit.wait <= 0.2 * 1.5 + 0.05
    time.sleep(0.25)
    assert one.permit(10).granted == 2
    assert one.permit(10).granted == 0  # both probes are under way
    assert one.snapshot().state is State.HALF_OPEN


def test_a_good_probe_closes_and_clears_the_window():
    one = opened()
    time.sleep(0.25)
    assert one.report(one.permit(1), 1, 0) is None
    now = one.snapshot()
    assert (now.state, now.successes, now.failures) == (State.CLOSED, 0, 0)
    assert one.permit(100).granted == 100


def test_a_bad_probe_opens_again():
    one = opened()
    time.sleep(0.25)
    assert one.report(one.permit(1), 0, 1) is not None
    assert one.permit(1).granted == 0
    assert one.snapshot().state is State.OPEN


def test_a_probe_that_never_reports_times_out():
    one = opened(probe_timeout=0.2)
    time.sleep(0.25)
    assert one.permit(2).granted == 2
    assert one.permit(2).granted == 0
    time.sleep(0.25)
    assert one.permit(2).granted == 2


def test_a_permit_that_was_not_used_goes_to_the_next():
    one = opened()
    time.sleep(0.25)
    permit = one.permit(2)
    one.report(permit, 0, 0, unused=2)
    assert one.permit(2).granted == 2


def test_what_was_permitted_before_the_last_change_changes_nothing():
    one = made()
    before = one.permit(3)
    calls(one, 0, 5)
    time.sleep(0.25)
    one.permit(1)  # half open now
    assert one.report(before, 1, 0) is not None
    assert one.report(before, 0, 1) is not None
    assert one.snapshot().state is State.HALF_OPEN


def test_eight_workers_together_never_get_more_than_the_probes():
    one = opened(probes=3)
    time.sleep(0.25)
    start = threading.Barrier(8)
    granted: list[int] = []

    def ask() -> None:
        start.wait()
        granted.extend(one.permit(2).granted for _ in range(50))

    workers = [threading.Thread(target=ask) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sum(granted) == 3


def test_forced_open_holds_until_released_and_then_tries_with_probes():
    one = made()
    one.force(State.OPEN, by="ada", why="maintenance")
    now = one.snapshot()
    assert (now.forced, now.by, now.why, now.state) == (True, "ada", "maintenance", State.OPEN)
    time.sleep(0.25)
    assert one.permit(5).granted == 0
    one.release(by="ada")
    assert one.permit(5).granted == 2
    assert not one.snapshot().forced


def test_forced_closed_lets_failures_count_as_attempts():
    one = opened()
    one.force(State.CLOSED, by="ada", why="they say it works")
    assert calls(one, 0, 100, quick=100) is None
    assert one.permit(5).granted == 5
    one.release(by="ada")
    assert calls(one, 0, 1) is not None  # what was counted meanwhile still holds


def test_forcing_half_open_is_refused():
    with pytest.raises(ValueError, match="open or closed"):
        made().force(State.HALF_OPEN, by="ada", why="")


def test_a_forced_state_lapses(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(breaker, "FORCED_FOR", 0.1)
    one = made()
    one.force(State.OPEN, by="ada", why="forgotten")
    time.sleep(0.15)
    assert one.permit(5).granted == 2


def test_nothing_stays_for_ever():
    one = opened()
    assert 0 < shared_valkey.client().pttl(one.key) <= breaker.KEPT_FOR * 1000
    one.force(State.OPEN, by="ada", why="")
    assert 0 < shared_valkey.client().pttl(one.key) <= (breaker.FORCED_FOR + breaker.KEPT_FOR) * 1000
    one.permit(1)
    one.release(by="ada")
    assert shared_valkey.client().pttl(one.key) > 0


@pytest.fixture
def valkey(tmp_path_factory: pytest.TempPathFactory, settings) -> Iterator[EmbeddedValkey]:
    """A Valkey of our own, to be stopped."""
    server = EmbeddedValkey(tmp_path_factory.mktemp("breaker"), free_port())
    server.start()
    settings.REDIS_URL = server.url
    shared_valkey.client.cache_clear()
    yield server
    server.stop()
    shared_valkey.client.cache_clear()


def test_without_valkey_calls_go_through_at_once(valkey: EmbeddedValkey):
    one = opened()
    valkey.stop()
    began = time.monotonic()
    for _ in range(1000):
        permit = one.permit(50)
        assert permit.granted == 50
        assert one.report(permit, 0, 50) is None
    assert time.monotonic() - began < 1.0
    with pytest.raises(redis.RedisError):
        one.snapshot()


def test_a_restarted_valkey_has_lost_the_script_and_serves_again(valkey: EmbeddedValkey, monkeypatch):
    one = opened(cool_down=600)
    valkey.stop()
    valkey.start()
    monkeypatch.setattr(breaker, "_quiet_until", 0.0)
    assert one.permit(1).granted == 0  # its append-only file kept the state
    shared_valkey.client().flushall()
    assert one.permit(1).granted == 1  # a server that forgot: closed
    assert one.snapshot().state is State.CLOSED


def test_two_breakers_of_one_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(breaker, "_breakers", {})
    declare_breaker(Breaker("declared-twice", bool))
    with pytest.raises(DeclarationError, match="declared-twice: is already declared"):
        declare_breaker(Breaker("declared-twice", bool))


@pytest.mark.parametrize("wrong", [{"window": 0.0}, {"probes": 0}, {"error_ratio": 0.0}, {"error_ratio": 1.5}])
def test_a_breaker_that_cannot_work(wrong: Given):
    with pytest.raises(DeclarationError, match="breaker odd: "):
        Breaker("odd", bool, **wrong)  # type: ignore[arg-type]


def test_an_undeclared_breaker_names_the_place():
    with pytest.raises(DeclarationError, match="here: breaker='nobody' is not declared"):
        resolve("nobody", "here")
    with pytest.raises(DeclarationError, match="is not declared"):
        resolve(made(), "here")
