"""Spans as plain values: begun where something happens, and handed to a recorder when it has ended.

There is no recorder until the project names one with `record_with`; then `recording()` is False and no span is made.
A trace context travels as a W3C `traceparent`, in the row of each event. Whether a trace is sampled was decided where
it began, and stands in the flags of its context: of other traces nothing is recorded.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import msgspec

from events.tracing.names import MESSAGING_BATCH_MESSAGE_COUNT

Value = str | int | bool
MOST_LINKS = 128
"""Links of one span; those beyond are counted."""
_ODD = frozenset("13579bdf")
"""The last digit of a context whose trace is sampled."""


class Kind(IntEnum):
    """The numbers are OTLP's."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


@dataclass(frozen=True, eq=False)
class Shape:
    """What all spans of one sort share. Make it once: a recorder may keep what it has worked out for a shape."""

    name: str
    kind: Kind
    attributes: tuple[tuple[str, Value], ...] = ()


@lru_cache(maxsize=2000)
def shape(name: str, kind: Kind, *attributes: tuple[str, Value]) -> Shape:
    """The one shape with these values."""
    return Shape(name, kind, attributes)


class Span(msgspec.Struct, eq=False):
    """Times are in nanoseconds since 1970. `parent_id` is empty for a root, `error` where nothing failed."""

    shape: Shape
    trace_id: str
    span_id: str
    parent_id: str
    started: int
    ended: int = 0
    attributes: tuple[tuple[str, Value], ...] = ()
    links: Sequence[str] = ()
    """Contexts of spans in other traces."""
    links_left_out: int = 0
    error: str = ""

    @property
    def context(self) -> str:
        """The `traceparent` for what happens within this span."""
        return f"00-{self.trace_id}-{self.span_id}-01"


_recorder: Callable[[Span], None] | None = None
_current: ContextVar[Span | None] = ContextVar("span", default=None)
_instead: ContextVar[Mapping[str, str]] = ContextVar("contexts_of_calls", default={})  # noqa: B039  never changed


def record_with(recorder: Callable[[Span], None] | None) -> None:
    """From now on spans go there; None ends it. The recorder must be fast, thread-safe and must not raise."""
    global _recorder  # noqa: PLW0603  one for the process
    _recorder = recorder


def recording() -> bool:
    return _recorder is not None


def is_sampled(traceparent: str) -> bool:
    """Whether spans of this trace are recorded. False for an empty context."""
    return _recorder is not None and was_sampled(traceparent)


def was_sampled(traceparent: str) -> bool:
    """The same whether or not this process records."""
    return traceparent[-1:] in _ODD


def trace_id_of(traceparent: str) -> str:
    """Empty for an empty context."""
    return traceparent[3:35]


def new_trace_id() -> str:
    return secrets.token_hex(16)


def new_span_id() -> str:
    return secrets.token_hex(8)


def begin(parent: str, of: Shape, *attributes: tuple[str, Value], again: bool = False) -> Span | None:
    """A span below `parent`, if that is sampled.

    `again`: it repeats what was tried before, so it is the root of a trace of its own, with a link.
    """
    if not is_sampled(parent):
        return None
    now = time.time_ns()
    if again:
        return Span(of, new_trace_id(), new_span_id(), "", now, attributes=attributes, links=(parent,))
    return Span(of, parent[3:35], new_span_id(), parent[36:52], now, attributes=attributes)


def begin_root(of: Shape) -> Span | None:
    """The first span of a trace that is sampled. None if nothing is recorded."""
    return Span(of, new_trace_id(), new_span_id(), "", time.time_ns()) if recording() else None


def begin_cohort(of: Shape, contexts: Sequence[str], count: int, parent: str = "") -> Span | None:
    """The one span of a message that carries `count` things, with links to the sampled `contexts` among them.

    Below `parent`, or in a trace of its own. None where nothing is sampled, or there is but one: its own span says all.
    """
    if count < 2 or not contexts:
        return None
    ids = (parent[3:35], parent[36:52]) if is_sampled(parent) else (new_trace_id(), "")
    return Span(
        of, ids[0], new_span_id(), ids[1], time.time_ns(),
        attributes=((MESSAGING_BATCH_MESSAGE_COUNT, count),),
        links=contexts[:MOST_LINKS], links_left_out=max(len(contexts) - MOST_LINKS, 0),
    )  # fmt: skip


def end(span: Span | None, error: str = "", *attributes: tuple[str, Value]) -> None:
    """Records it. `error` is the type of what went wrong."""
    if span is not None:
        end_all((span,), error, *attributes)


def end_all(spans: Iterable[Span], error: str = "", *attributes: tuple[str, Value]) -> None:
    """Records them, with the same end."""
    if _recorder is None:
        return
    now = time.time_ns()
    for span in spans:
        span.ended = now
        if error:
            span.error = error
        if attributes:
            span.attributes += attributes
        _recorder(span)


@contextmanager
def within(span: Span | None) -> Iterator[None]:
    """Calls to other servers in the block belong to this span; see `calling`."""
    token = _current.set(span)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def calls_below(contexts: Mapping[str, str]) -> Iterator[None]:
    """Calls in the block that name one of these contexts as their parent get the other one that it leads to."""
    token = _instead.set(contexts)
    try:
        yield
    finally:
        _instead.reset(token)


@contextmanager
def calling(of: Shape, parent: str = "", *, again: bool = False) -> Iterator[Span | None]:
    """A span around one call to another server: below `parent`, or the span that the call is `within`.

    What is raised in the block is its error.
    """
    if _recorder is None:
        yield None
        return
    around = _current.get()
    below = _instead.get().get(parent, parent) or (around.context if around else "")
    span = begin(below, of, again=again)
    try:
        yield span
    except BaseException as error:
        end(span, error_type(error))
        raise
    end(span)


def error_type(error: BaseException) -> str:
    """The value of `error.type`: the class of the exception."""
    return type(error).__qualname__
