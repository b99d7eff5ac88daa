"""What log lines carry while events are handled: who handles them, and of one event where it came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

import structlog

from events.log.context import Context

T = TypeVar("T")


def fields_of(context: Context, **more: str) -> dict[str, str]:
    """`correlation_id` and `trace_id` of a context, as the web process binds them; without what is empty."""
    fields = {"correlation_id": context.correlation_id, "trace_id": trace_id(context.traceparent), **more}
    return {name: value for name, value in fields.items() if value}


def trace_id(traceparent: str) -> str:
    """The second part of a W3C traceparent; empty if there is none."""
    parts = traceparent.split("-")
    return parts[1] if len(parts) > 1 else ""


def bound(handled: Sequence[T], fields: Callable[[T], dict[str, str]], **who: str) -> AbstractContextManager[object]:
    """Log lines within the block carry `who`, and the fields of what is handled; of a batch, its size."""
    of = fields(handled[0]) if len(handled) == 1 else {"batch": len(handled)}
    return structlog.contextvars.bound_contextvars(**who, **of)
