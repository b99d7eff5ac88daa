"""The context of recorded events: actor, correlation id, causation id and trace."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

import msgspec
from msgspec.structs import replace


class Context(msgspec.Struct, frozen=True):
    """Stored with every event, so that cause and effect can be traced across processes."""

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
    """The current context of events about this subject (aggregate id)."""
    contexts = _current.get(_NONE)
    return contexts.by_subject.get(subject, contexts.default)


def current_context() -> Context:
    """The default context of this request or task."""
    return _current.get(_NONE).default


@contextmanager
def caused_by(default: Context, by_subject: Mapping[str, Context] | None = None) -> Iterator[None]:
    """Events recorded within the block carry this context. `by_subject` overrides it per aggregate id, for batches."""
    token = _current.set(_Contexts(default, by_subject or {}))
    try:
        yield
    finally:
        _current.reset(token)


def acting(actor: str) -> AbstractContextManager[None]:
    """Events recorded within the block name this actor; the rest of the context stays unchanged."""
    return caused_by(replace(current_context(), actor=actor))
