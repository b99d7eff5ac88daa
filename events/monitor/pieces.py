"""Pieces of work, as Flower shows them: a saga step or a subscriber's work for some orders, and how it ended.

A message carries work for many orders, and a worker also performs work that no message carries. So Celery's own events
do not say what was done. `tell` does, after the commit of what was done. It costs a few microseconds: the rest is done
by the thread of `events.monitor.sender`.
"""

from __future__ import annotations

import re
import threading
import time
import traceback
from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from typing import Protocol
from uuid import uuid4

import msgspec
from django.db import transaction

SHOWN = 50
"""Subjects that a piece of work names; of the others it says how many there are."""
LONGEST = 500
"""Characters of an error."""
SEARCHED = 5_000
"""Characters of an error that are searched for e-mail addresses."""
_EMAIL = re.compile(r"[^\s<>\"'(),:;]+@[^\s<>\"'(),:;]+")


class Kind(StrEnum):
    """By which Flower can filter: `kwargs:kind=step`."""

    STEP = "step"
    UNDO = "undo"
    SUBSCRIBER = "subscriber"
    PERIODIC = "periodic"
    MESSAGE = "message"
    """A message that took long, or ended with an error before its work was known."""


class Outcome(StrEnum):
    """As Celery's events are named."""

    DONE = "task-succeeded"
    RETRY = "task-retried"
    FAILED = "task-failed"


class Problem(msgspec.Struct, frozen=True):
    """Why work has not succeeded."""

    text: str
    traceback: str = ""


class Piece(msgspec.Struct):
    """Work for `count` subjects, the first of which are named. Times are Unix times, in seconds."""

    id: str
    name: str
    kind: Kind
    subjects: Sequence[str]
    count: int
    outcome: Outcome
    began: float
    ended: float
    result: str = ""
    problem: Problem | None = None
    retries: int = 0
    parent: str | None = None
    root: str | None = None


class Carrier:
    """A message whose work this thread performs. Its first piece takes its id; the others name it as their parent."""

    __slots__ = ("began", "id", "name", "root", "shown", "used")

    def __init__(self, id_: str, name: str, root: str | None) -> None:
        self.id, self.name, self.root = id_, name, root
        self.began = time.time()
        self.used = False
        self.shown = False
        """Whether Flower was told that it has started: it took long."""

    def next_id(self) -> tuple[str, str | None]:
        """The id of the next piece, and that of its parent."""
        if self.used:
            return str(uuid4()), self.id
        self.used = True
        return self.id, None


class _Thread(threading.local):
    carrier: Carrier | None = None


class Sink(Protocol):
    """What takes the pieces of this process."""

    def add(self, piece: Piece) -> None:
        """Never raises, and never waits."""

    def wake(self) -> None:
        """A message has begun, which may take long."""


_thread = _Thread()
_sink: Sink | None = None
running: set[Carrier] = set()
"""The carriers of all threads of this process."""


def tell_to(sink: Sink | None) -> None:
    """Where this process passes its pieces. Without one, as in web and in tests, `tell` does nothing."""
    global _sink  # noqa: PLW0603  one per process
    _sink = sink


def is_told() -> bool:
    """Whether it is worth the trouble to find out more of what `tell` would say."""
    return _sink is not None


def begin(carrier: Carrier) -> None:
    """This thread now performs the work of this message."""
    _thread.carrier = carrier
    running.add(carrier)
    if _sink is not None:
        _sink.wake()


def end() -> Carrier | None:
    """The message of this thread has ended."""
    carrier, _thread.carrier = _thread.carrier, None
    if carrier is not None:
        running.discard(carrier)
    return carrier


def tell(
    name: str,
    kind: Kind,
    subjects: Sequence[str],
    *,
    began: float,
    problem: Problem | None = None,
    final: bool = False,
    result: str = "",
    retries: int = 0,
) -> None:
    """Says that this was done for these subjects, or why not, once the caller's transaction has committed.

    `problem`: it is tried again, or given up if `final`. `began`: a Unix time. Never raises, and never waits.
    """
    if _sink is None or not subjects:
        return
    outcome = Outcome.DONE if problem is None else Outcome.FAILED if final else Outcome.RETRY
    count = len(subjects)
    piece = Piece("", name, kind, subjects[:SHOWN], count, outcome, began, time.time(), result, problem, retries)
    transaction.on_commit(partial(_pass_on, piece))


def tell_of_carrier(
    carrier: Carrier, kind: Kind, *, problem: Problem | None = None, result: str = "", id_: str = ""
) -> None:
    """Says how a message ended whose work told nothing of itself."""
    if _sink is None:
        return
    outcome = Outcome.DONE if problem is None else Outcome.RETRY
    ended = time.time()
    _sink.add(Piece(id_ or carrier.id, carrier.name, kind, (), 0, outcome, carrier.began, ended, result, problem))


def tell_of_trouble(error: Exception) -> None:
    """Says that the message of this thread ends without its work, which its rows ask for again."""
    if _thread.carrier is not None:
        tell_of_carrier(_thread.carrier, Kind.MESSAGE, problem=problem_of(error))
        _thread.carrier.used = True


def _pass_on(piece: Piece) -> None:
    if _sink is None:
        return
    carrier = _thread.carrier
    if carrier is None:
        piece.id = str(uuid4())
    else:
        piece.id, piece.parent = carrier.next_id()
        piece.root = carrier.root
    _sink.add(piece)


def problem_of(error: BaseException) -> Problem:
    """The error without personal data: no e-mail address, and of the traceback the lines of code only."""
    lines = "".join(traceback.format_tb(error.__traceback__))
    return Problem(f"{type(error).__name__}: {_without_addresses(str(error))}", lines)


def _without_addresses(text: str) -> str:
    return _EMAIL.sub("…@…", text[:SEARCHED])[:LONGEST]
