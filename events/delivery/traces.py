"""The spans of deliveries: claimed and published by the relay, handled by a worker.

A sampled event has its own short spans, below the one that appended it. What is tried again is the root of a trace of
its own, with a link. A message with several deliveries is one more span, with links to the events' traces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import lru_cache
from types import TracebackType
from typing import NamedTuple

from celery import current_task
from msgspec.structs import replace

from events.declare.subscribers import Subscriber
from events.log.context import Context
from events.tracing import names
from events.tracing.spans import Kind, Shape, Span, begin, begin_cohort, calls_below, end, end_all, error_type, shape

NOT_SENT = "broker_unreachable"


class Traced(NamedTuple):
    """A sampled event of a delivery. `again`: it was tried before, or is replayed."""

    traceparent: str
    again: bool


class _Shapes(NamedTuple):
    claim: Shape
    publish: Shape
    process: Shape


@lru_cache(maxsize=500)
def _shapes(subscriber: str, queue: str) -> _Shapes:
    at = (names.MESSAGING_SUBSCRIPTION_NAME, subscriber)

    def made(name: str, type_: str, kind: Kind, system: str, destination: str) -> Shape:
        return shape(
            f"{name} {subscriber}", kind, (names.MESSAGING_SYSTEM, system), at,
            (names.MESSAGING_DESTINATION_NAME, destination),
            (names.MESSAGING_OPERATION_NAME, name), (names.MESSAGING_OPERATION_TYPE, type_),
        )  # fmt: skip

    return _Shapes(
        made("claim", "receive", Kind.CLIENT, names.LOG, names.LOG),
        made("publish", "send", Kind.PRODUCER, names.CELERY, queue),
        made("process", "process", Kind.CONSUMER, names.CELERY, queue),
    )


def claimed(subscriber: Subscriber, traced: Sequence[Traced], since: int) -> list[Span]:
    """Records that the relay has claimed these deliveries; `since` is when it began, in nanoseconds since 1970."""
    spans = []
    for one in traced:
        span = begin(one.traceparent, _shapes(subscriber.name, str(subscriber.queue)).claim, again=one.again)
        if span is not None:
            span.started = since
            spans.append(span)
    end_all(spans)
    return spans


class Sending:
    """One message of the relay's."""

    def __init__(self, subscriber: Subscriber, claims: Sequence[Span], count: int) -> None:
        of, contexts = _shapes(subscriber.name, str(subscriber.queue)).publish, [claim.context for claim in claims]
        self._spans = [span for context in contexts if (span := begin(context, of)) is not None]
        self._cohort = begin_cohort(of, contexts, count)

    @property
    def headers(self) -> Mapping[str, str]:
        return {"traceparent": self._cohort.context} if self._cohort else {}

    def ended(self, *, sent: bool) -> None:
        error = "" if sent else NOT_SENT
        end_all(self._spans, error)
        end(self._cohort, error)


class Handling:
    """One call of a handler. Within it, `contexts` are those of its events, each leading to the event's own span."""

    def __init__(
        self, subscriber: Subscriber, given: Sequence[Context], ids: Sequence[str], again: Sequence[bool]
    ) -> None:
        of = _shapes(subscriber.name, str(subscriber.queue)).process
        self.contexts = list(given)
        self._spans: dict[int, Span] = {}
        self._calls = ExitStack()
        roots: dict[str, str] = {}
        for place, context in enumerate(given):
            told = (names.MESSAGING_MESSAGE_ID, ids[place])
            span = begin(context.traceparent, of, told, again=again[place])
            if span is None:
                continue
            self._spans[place] = span
            if again[place]:  # what it records stays in the trace of its event; calls belong to the attempt
                roots[context.traceparent] = span.context
            else:
                self.contexts[place] = replace(context, traceparent=span.context)
        if roots:
            self._calls.enter_context(calls_below(roots))
        sampled = [given[place].traceparent for place in self._spans]
        self._cohort = begin_cohort(of, sampled, len(given), _parent()) if sampled else None

    def __enter__(self) -> Handling:
        return self

    def failed(self, errors: Mapping[int, Exception]) -> None:
        """The handler reported these, by place."""
        for place, error in errors.items():
            end(self._spans.pop(place, None), error_type(error))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._calls.close()
        said = error_type(error) if error else ""
        end_all(self._spans.values(), said)
        end(self._cohort, said)


def _parent() -> str:
    """The context of the message that this task came with."""
    headers = getattr(getattr(current_task, "request", None), "headers", None) or {}
    return str(headers.get("traceparent") or "")
