"""What log lines carry while events are handled: who handles them, and of one event where it came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

import structlog

from events.log.context import Context
from events.tracing.spans import trace_id_of

T = TypeVar("T")


def fields_of(context: Context, **more: str) -> dict[str, str]:
    """`correlation_id` and `trace_id` of a context, as the web process binds them; without what is empty."""
    fields = {"correlation_id": context.correlation_id, "trace_id": trace_id_of(context.traceparent), **more}
    return {name: value for name, value in fields.items() if value}


def bound(handled: Sequence[T], fields: Callable[[T], dict[str, str]], **who: str) -> AbstractContextManager[object]:
    """Log lines within the block carry `who`, and the fields of what is handled; of a batch, its size."""
    of = fields(handled[0]) if len(handled) == 1 else {"batch": len(handled)}
    return structlog.contextvars.bound_contextvars(**who, **of)
