"""What is written down of something that failed: the error as text, and the number of the attempt.

Deliveries and saga steps both use it. A collector of failures keeps one `Attempts` and adds to it what it takes;
for each error it then asks `failed` for the attempt's number and its `retry` for the rest:

    attempt = attempts.failed(run_id)
    exhausted, delay = retry.exhausted(attempt), retry.delay(attempt)
    row = (run_id, exhausted, delay, type_of(error), message_of(error), traceback_of(error))
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Key = TypeVar("Key")


def type_of(error: BaseException) -> str:
    """The error's class with its module, such as `builtins.ValueError`."""
    return f"{type(error).__module__}.{type(error).__qualname__}"


def message_of(error: BaseException) -> str:
    return storable(str(error))


def summary_of(error: BaseException) -> str:
    """In one line for people, such as `ValueError: too long`."""
    return f"{type(error).__name__}: {message_of(error)}"


def traceback_of(error: BaseException) -> str:
    return storable("".join(traceback.format_exception(error)))


def storable(text: str) -> str:
    """Without what PostgreSQL's text type refuses and an error message may contain: NUL characters and surrogates.

    One such text would fail the statement that writes it, and with it what it writes of others.
    """
    return text.replace("\0", "").encode("utf-8", "backslashreplace").decode()


@dataclass
class Attempts(Generic[Key]):
    """How many attempts at each row have failed, by the row's key."""

    look_up: Callable[[Key], int]
    """Reads the number from the database. Needed only where taking the row is what failed: see `failed`."""
    _before: dict[Key, int] = field(default_factory=dict)

    def taken(self, before: Mapping[Key, int]) -> None:
        """These rows were taken, after so many failed attempts each."""
        self._before.update(before)

    def failed(self, key: Key) -> int:
        """The number of the attempt that has just failed; 1 for the first."""
        if key not in self._before:
            self._before[key] = self.look_up(key)
        return self._before[key] + 1
