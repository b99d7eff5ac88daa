"""Who and what caused the events that are being recorded."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

import msgspec


class Context(msgspec.Struct, frozen=True):
    """Goes with every event into the log, so that cause and effect stay traceable across processes."""

    correlation_id: str = ""
    causation_id: str = ""
    actor: str = ""
    traceparent: str = ""


class _Contexts(msgspec.Struct, frozen=True):
    default: Context = Context()
    by_subject: Mapping[str, Context] = {}


_current: ContextVar[_Contexts] = ContextVar("event_context")
_NONE = _Contexts()


def context_of(subject: str) -> Context:
    """The context of events about this subject, here and now."""
    contexts = _current.get(_NONE)
    return contexts.by_subject.get(subject, contexts.default)


def current_context() -> Context:
    """The context of this request or task as a whole."""
    return _current.get(_NONE).default


@contextmanager
def caused_by(default: Context, by_subject: Mapping[str, Context] | None = None) -> Iterator[None]:
    """Everything recorded inside carries this context; a batch names one for each subject (aggregate id)."""
    token = _current.set(_Contexts(default, by_subject or {}))
    try:
        yield
    finally:
        _current.reset(token)
