"""The spans of steps: one for each sampled run, below the one that started the run; and one for the whole cohort.

A step that was tried before is the root of a trace of its own, with a link. What it records stays in the run's trace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from uuid import UUID

from msgspec.structs import replace

from events.log.context import Context
from events.tracing import names
from events.tracing.spans import Kind, Shape, Span, begin, begin_cohort, end, error_type, is_sampled, shape
from sagas.values import Action, Call


class StepSpans:
    """The open spans of one attempt at a step, for a cohort. As a context manager it ends them."""

    def __init__(self, action: Action, calls: Sequence[Call]) -> None:
        sampled = [call for call in calls if is_sampled(call.traceparent)]
        self._runs: dict[UUID, Span] = {}
        self._contexts: dict[str, str] = {}
        self._cohort: Span | None = None
        for call in sampled:
            span = begin(call.traceparent, _shape(action, call), again=call.is_again)
            if span is not None:
                self._runs[call.run_id] = span
                if not call.is_again:
                    self._contexts[call.traceparent] = span.context
        if sampled:
            links = [call.traceparent for call in sampled]
            self._cohort = begin_cohort(_shape(action, sampled[0]), links, len(calls))

    def of(self, run_id: UUID) -> Span | None:
        """The open span of this run."""
        return self._runs.get(run_id)

    def below(self, contexts: Mapping[str, Context]) -> Mapping[str, Context]:
        """The same contexts; those of sampled runs lead to the span of their step."""
        if not self._contexts:
            return contexts
        return {
            subject: replace(one, traceparent=self._contexts.get(one.traceparent, one.traceparent))
            for subject, one in contexts.items()
        }

    def end(self, run_id: UUID, *, error: BaseException | None = None, refusal: str = "") -> None:
        span = self._runs.pop(run_id, None)
        if span is not None:
            said = ((names.SAGA_REFUSAL, refusal),) if refusal else ()
            end(span, error_type(error) if error else "", *said)

    def end_cohort(self, error: BaseException | None = None) -> None:
        """Whatever its stragglers still do."""
        span, self._cohort = self._cohort, None
        end(span, error_type(error) if error else "")

    def __enter__(self) -> StepSpans:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for run_id in tuple(self._runs):
            self.end(run_id, error=error)
        self.end_cohort(error)


def _shape(action: Action, call: Call) -> Shape:
    return shape(
        action.task, Kind.CONSUMER, (names.SAGA_STEP, call.step), (names.SAGA_UNDO, call.undo),
        (names.MESSAGING_SYSTEM, names.CELERY), (names.MESSAGING_DESTINATION_NAME, str(action.queue)),
        (names.MESSAGING_OPERATION_NAME, "process"), (names.MESSAGING_OPERATION_TYPE, "process"),
    )  # fmt: skip
