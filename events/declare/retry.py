"""The retry policy: exponential backoff with jitter, as a pure value.

The jitter is "equal jitter", half of the delay fixed and half random, after
https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from events.errors import DeclarationError


@dataclass(frozen=True)
class Backoff:
    """Exponential backoff with jitter; `delay` is in seconds and never zero."""

    base: float = 2.0
    cap: float = 600.0
    attempts: int = 8

    def __post_init__(self) -> None:
        if self.base <= 0 or self.cap <= 0 or self.attempts < 1:
            raise DeclarationError(f"{self}: base and cap must be above 0, attempts at least 1")

    def delay(self, attempt: int, chance: Callable[[], float] = random.random) -> float:
        """Seconds to wait after attempt number `attempt` (from 1) failed."""
        whole = min(self.cap, self.base * 2.0 ** min(attempt - 1, 60))
        return whole / 2 + whole / 2 * chance()

    def exhausted(self, attempt: int) -> bool:
        """Whether attempt number `attempt` was the last one."""
        return attempt >= self.attempts
