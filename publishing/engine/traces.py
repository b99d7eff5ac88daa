"""The spans of publishing: one for each sampled event, and one for the batch, with links."""

from __future__ import annotations

from collections.abc import Sequence

from events.tracing import names
from events.tracing.spans import Kind, Span, begin, begin_cohort, end, end_all, error_type, shape
from publishing.engine.cursors import Held
from publishing.engine.publisher import Outcome
from publishing.engine.records import Record

UNCONFIRMED = "unconfirmed"


class Publishing:
    """One batch. `again`: its events were refused before, or are published a second time by a backfill.

    So are those that the cursor has tried before it lost the broker.
    """

    def __init__(self, cursor: Held, records: Sequence[Record], *, again: bool) -> None:
        of = shape(
            f"publish {cursor.publisher}", Kind.PRODUCER, (names.MESSAGING_SYSTEM, cursor.publisher),
            (names.MESSAGING_OPERATION_NAME, "publish"), (names.MESSAGING_OPERATION_TYPE, "send"),
        )  # fmt: skip
        self._spans: dict[int, Span] = {}
        for record in records:
            told = ((names.MESSAGING_MESSAGE_ID, record.event_id), (names.MESSAGING_DESTINATION_NAME, record.type))
            span = begin(record.traceparent, of, *told, again=again or record.position <= cursor.tried)
            if span is not None:
                self._spans[record.position] = span
        sampled = [record.traceparent for record in records if record.position in self._spans]
        self._cohort = begin_cohort(of, sampled, len(records))

    def ended(self, outcome: Outcome) -> None:
        lost = error_type(outcome.lost) if outcome.lost else ""
        end_all(span for position, span in self._spans.items() if position in outcome.confirmed)
        for position, span in self._spans.items():
            if position not in outcome.confirmed:
                refused = outcome.refused.get(position)
                end(span, error_type(refused) if refused else lost or UNCONFIRMED)
        end(self._cohort, lost)
