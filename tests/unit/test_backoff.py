"""The retry clock is a value: a table of numbers tests it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import Backoff, DeclarationError


@pytest.mark.parametrize(
    ("attempt", "least", "most"), [(1, 1, 2), (2, 2, 4), (3, 4, 8), (9, 256, 512), (10, 300, 600), (500, 300, 600)]
)
def test_the_delay_doubles_up_to_the_cap(attempt, least, most):
    backoff = Backoff(base=2, cap=600)
    assert backoff.delay(attempt, lambda: 0.0) == least
    assert backoff.delay(attempt, lambda: 1.0) == most


@given(st.floats(0.001, 100), st.floats(0.001, 10_000), st.integers(1, 10_000))
def test_the_delay_is_never_zero_and_never_above_the_cap(base, cap, attempt):
    assert 0 < Backoff(base=base, cap=cap).delay(attempt) <= cap


def test_jitter_spreads():
    assert len({Backoff().delay(5) for _ in range(50)}) > 40


def test_the_last_attempt_is_the_last():
    backoff = Backoff(attempts=3)
    assert [backoff.exhausted(attempt) for attempt in (1, 2, 3, 4)] == [False, False, True, True]


@pytest.mark.parametrize("wrong", [{"base": 0}, {"cap": -1}, {"attempts": 0}])
def test_nonsense_is_refused_where_it_is_written(wrong):
    with pytest.raises(DeclarationError, match="above 0"):
        Backoff(**wrong)
