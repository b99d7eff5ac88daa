"""Interrupts code that takes too long: `with limited(300):` raises TimeLimitExceeded inside the block.

In the main thread (solo and prefork workers, the relay) a signal interrupts everything, including blocking calls. In
another thread (the threads pool) the running SQL statement is cancelled and Python code is interrupted, but a call
that blocks in C, such as reading from a socket, is not. So network clients need timeouts of their own.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.db import connection
from psycopg.pq import TransactionStatus

from events.errors import TimeLimitExceeded

RETRY_EVERY = 0.5
"""Seconds between two attempts to cancel a statement that runs too long."""
GRACE = 2.0
"""Seconds to clean up after the error before it is raised again."""


@dataclass(eq=False)
class _Limit:
    """One limited block. Its thread may be executing a statement when the time is up."""

    seconds: float
    ends: float = field(init=False)
    thread: int = field(default_factory=threading.get_ident)
    wrapper: Any = field(default_factory=lambda: connection._connections[connection._alias])  # type: ignore[attr-defined]
    is_up: bool = False

    def __post_init__(self) -> None:
        self.ends = time.monotonic() + self.seconds

    def cancels(self) -> bool:
        """Cancels the running statement; False if there is none. The statement raises; the connection stays usable."""
        self.is_up = True
        server = self.wrapper.connection
        if server is None or server.pgconn.transaction_status != TransactionStatus.ACTIVE:
            return False
        server.cancel_safe(timeout=RETRY_EVERY)
        return True


@contextmanager
def limited(seconds: float | None) -> Iterator[None]:
    """Raises TimeLimitExceeded inside the block after `seconds`. None means no limit. Blocks may be nested."""
    if seconds is None:
        yield
        return
    limit = _Limit(seconds)
    main = threading.current_thread() is threading.main_thread()
    try:
        with _by_signal(limit) if main else _by_watchdog(limit):
            yield
    except TimeLimitExceeded:
        # An exception raised from another thread has no message.
        raise TimeLimitExceeded(f"time limit of {seconds:g} s exceeded") from None
    except Exception as error:
        if limit.is_up:
            raise TimeLimitExceeded(f"time limit of {seconds:g} s exceeded") from error
        raise


@contextmanager
def _by_signal(limit: _Limit) -> Iterator[None]:
    def stop(*_: object) -> None:
        if not limit.cancels():
            signal.setitimer(signal.ITIMER_REAL, GRACE, GRACE)  # in case the block swallows the error
            raise TimeLimitExceeded

    handler = signal.signal(signal.SIGALRM, stop)
    left, interval = signal.setitimer(signal.ITIMER_REAL, limit.seconds, RETRY_EVERY)
    began = time.monotonic()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:  # restores the timer of an outer limit
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - began), 0.001), interval)


@contextmanager
def _by_watchdog(limit: _Limit) -> Iterator[None]:
    watchdog = _watchdog(os.getpid())
    watchdog.watch(limit)
    try:
        yield
    finally:
        watchdog.forget(limit)


class _Watchdog:
    """A thread that watches the limited blocks of other threads. It raises only while holding the lock.

    A block also needs the lock to end, so that no error is raised in a thread after its block has ended.
    """

    def __init__(self) -> None:
        self._limits: set[_Limit] = set()
        self._lock = threading.Lock()
        self._raised: set[_Limit] = set()
        threading.Thread(target=self._run, name="time-limits", daemon=True).start()

    def watch(self, limit: _Limit) -> None:
        with self._lock:
            self._limits.add(limit)

    def forget(self, limit: _Limit) -> None:
        with self._lock:
            self._limits.discard(limit)
            if limit in self._raised:
                self._raised.discard(limit)
                _raise_in(limit.thread, None)  # withdraws an error that was not raised yet

    def _run(self) -> None:
        while True:
            time.sleep(RETRY_EVERY)
            with self._lock:
                for limit in [one for one in self._limits if one.ends <= time.monotonic()]:
                    self._stop(limit)

    def _stop(self, limit: _Limit) -> None:
        try:
            cancelled = limit.cancels()
        except Exception:  # noqa: BLE001  the connection was closed meanwhile: there is nothing to cancel
            cancelled = True
        if not cancelled:
            self._limits.discard(limit)
            self._raised.add(limit)
            _raise_in(limit.thread, TimeLimitExceeded)


def _raise_in(thread: int, error: type[Exception] | None) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error) if error else None)


@cache
def _watchdog(pid: int) -> _Watchdog:
    """One per process, because threads do not survive a fork."""
    return _Watchdog()
