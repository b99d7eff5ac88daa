"""Spans as values, and as the bytes that a collector reads."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from events.tracing import spans
from events.tracing.spans import Kind, Span, begin, begin_cohort, begin_root, calling, calls_below, end, shape, within
from orderproject.observability.otlp import SCOPE, Encoder

ORDER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = f"{ORDER[:-2]}00"
WORK = shape("work", Kind.CONSUMER, ("messaging.system", "celery"), ("saga.undo", False))


@pytest.fixture
def recorded() -> Iterator[list[Span]]:
    found: list[Span] = []
    spans.record_with(found.append)
    yield found
    spans.record_with(None)


def begun(span: Span | None) -> Span:
    assert span is not None
    return span


def test_nothing_is_recorded_until_somebody_wants_it():
    assert not spans.recording()
    assert begin(ORDER, WORK) is begin_root(WORK) is None
    with calling(WORK, ORDER) as span:
        assert span is None
    end(None)


@pytest.mark.parametrize("context", ["", UNSAMPLED, f"{ORDER[:-2]}fe"])
def test_what_is_not_sampled_has_no_spans(recorded, context):
    assert begin(context, WORK) is None
    with calling(WORK, context):
        pass
    assert recorded == []


def test_the_first_attempt_is_a_child_and_what_is_tried_again_a_root_with_a_link(recorded):
    first, second = begun(begin(ORDER, WORK)), begun(begin(ORDER, WORK, again=True))
    assert (first.trace_id, first.parent_id, first.links) == (ORDER[3:35], ORDER[36:52], ())
    assert (second.parent_id, second.links) == ("", (ORDER,))
    assert second.trace_id != first.trace_id
    end(first)
    end(second, "ValueError")
    assert [(one.error, one.ended >= one.started) for one in recorded] == [("", True), ("ValueError", True)]


def test_a_message_has_at_most_128_links_and_counts_the_others(recorded):
    orders = [f"00-{number:032x}-{number:016x}-01" for number in range(1, 301)]
    message = begun(begin_cohort(WORK, orders, 500))
    assert (len(message.links), message.links_left_out) == (128, 172)
    assert message.attributes == (("messaging.batch.message_count", 500),)
    assert message.parent_id == ""
    assert begun(begin_cohort(WORK, orders, 500, ORDER)).parent_id == ORDER[36:52]
    assert begin_cohort(WORK, orders[:1], 1) is None, "the order's own span says all"
    assert begin_cohort(WORK, [], 500) is None


def test_a_call_belongs_to_the_span_around_it_and_fails_with_it(recorded):
    step = begun(begin(ORDER, WORK))
    call = shape("POST capture", Kind.CLIENT)

    async def capture() -> None:
        with pytest.raises(TimeoutError), within(step), calling(call):
            raise TimeoutError

    asyncio.run(capture())
    assert [(one.shape.name, one.parent_id, one.error) for one in recorded] == [
        ("POST capture", step.span_id, "TimeoutError")
    ]


def test_a_call_of_a_second_attempt_is_in_the_trace_of_that_attempt(recorded):
    attempt = begun(begin(ORDER, WORK, again=True))
    with calls_below({ORDER: attempt.context}), calling(WORK, ORDER):
        pass
    assert (recorded[0].trace_id, recorded[0].parent_id) == (attempt.trace_id, attempt.span_id)


def test_the_encoder_writes_what_the_sdk_writes(recorded):
    end(begin(ORDER, WORK, ("messaging.message.id", "ä" * 200), ("http.response.status_code", 201)))
    end(begin(ORDER, WORK, again=True), "ValueError")
    end(begin_root(shape("", Kind.SERVER)))
    end(begin_cohort(WORK, [ORDER] * 130, 1000, ORDER))
    theirs = ExportTraceServiceRequest()
    theirs.CopyFrom(encode_spans([_of_the_sdk(span) for span in recorded]))
    written = theirs.resource_spans[0].scope_spans[0].spans
    written[3].dropped_links_count = 2  # a span of the SDK's counts by itself
    for span in written:
        if not span.status.code:
            span.ClearField("status")  # an empty one says nothing
    ours = ExportTraceServiceRequest()
    ours.ParseFromString(Encoder([("service.name", "shop"), ("process.pid", 7)]).encode(recorded))
    assert ours == theirs


def _of_the_sdk(span: Span) -> ReadableSpan:
    attributes = dict(span.shape.attributes + span.attributes)
    if span.error:
        attributes["error.type"] = span.error
    return ReadableSpan(
        span.shape.name,
        context=SpanContext(int(span.trace_id, 16), int(span.span_id, 16), False, TraceFlags(1)),
        parent=_context(span.trace_id, span.parent_id) if span.parent_id else None,
        resource=Resource({"service.name": "shop", "process.pid": 7}),
        attributes=attributes,
        links=[Link(_context(link[3:35], link[36:52])) for link in span.links],
        kind=SpanKind[span.shape.kind.name],
        status=Status(StatusCode.ERROR) if span.error else Status(StatusCode.UNSET),
        start_time=span.started,
        end_time=span.ended,
        instrumentation_scope=InstrumentationScope(SCOPE),
    )


def _context(trace_id: str, span_id: str) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), True, TraceFlags(1))
