"""Sends spans to a collector by OTLP over HTTP, with OpenTelemetry's SDK. Loaded only if a collector is configured.

Each process has its own processor, made when its first span ends: a thread that was started before a fork is dead in
the children. The processor holds a bounded number of spans; while the collector is unreachable, the oldest are dropped.
"""

from __future__ import annotations

import atexit
import logging
import os
import socket
import threading
from collections.abc import Sequence
from functools import cache
from typing import Any

import structlog
from celery.signals import worker_process_shutdown
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import SpanContext, TraceFlags

from events.tracing import spans
from events.tracing.spans import Span, Value
from orderproject.observability.otlp import Encoder

log = structlog.get_logger(__name__)

MOST_HELD = 8192
"""Spans that a process holds."""
AT_ONCE = 512
"""Spans in one request."""
EVERY_MS = 1000.0
"""Milliseconds between two requests, if there are fewer spans than that."""
TIMEOUT = 2.0
"""Seconds for one request, with its repetitions."""
EXIT_MS = 800
"""Milliseconds that the end of a process waits for its last spans."""
SAMPLED = SpanContext(1, 1, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


class Ended(ReadableSpan):
    """A recorded span, as the SDK's processor takes it: it asks only whether the span is sampled."""

    def __init__(self, recorded: Span) -> None:  # nothing else is needed, and each span would pay for it
        self._context = SAMPLED
        self.recorded = recorded


class Exporter(OTLPSpanExporter):
    """The SDK's exporter with an encoder of our own. It logs an outage once, and its end."""

    def __init__(self, endpoint: str, encoder: Encoder) -> None:
        super().__init__(endpoint=endpoint, timeout=TIMEOUT)
        self._encoder = encoder
        self._lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Never raises, and gives up after `TIMEOUT`: spans that the collector does not take are lost."""
        body = self._encoder.encode(one.recorded for one in spans if isinstance(one, Ended))
        result = self._client.export(body)
        if result.success:
            if self._lost:
                log.info("the collector takes spans again", lost=self._lost)
            self._lost = 0
            return SpanExportResult.SUCCESS
        if not self._lost:
            error = type(result.error).__name__ if result.error else str(result.status_code or "no answer")
            log.warning("the collector takes no spans; they are dropped until it does", error=error)
        self._lost += len(spans)
        return SpanExportResult.FAILURE


class Recorder:
    """Where spans go: `events.tracing.spans.record_with(Recorder(…))`."""

    def __init__(self, endpoint: str, service: str) -> None:
        self._endpoint, self._service = endpoint, service
        self._one_at_a_time = threading.Lock()
        self._processor_of = cache(self._make)
        os.register_at_fork(after_in_child=self._forget_lock)

    def __call__(self, span: Span) -> None:
        self._processor().on_end(Ended(span))

    def stop(self) -> None:
        """Sends what this process still holds, for at most `EXIT_MS`."""
        if self._processor_of.cache_info().currsize:
            self._processor()._batch_processor.shutdown(EXIT_MS)

    def _processor(self) -> BatchSpanProcessor:
        with self._one_at_a_time:  # two threads whose first spans end together
            return self._processor_of(os.getpid())

    def _forget_lock(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._processor_of = cache(self._make)

    def _make(self, pid: int) -> BatchSpanProcessor:
        encoder = Encoder(_described(self._service, pid))
        return BatchSpanProcessor(
            Exporter(self._endpoint, encoder),
            max_queue_size=MOST_HELD, schedule_delay_millis=EVERY_MS, max_export_batch_size=AT_ONCE,
        )  # fmt: skip


def _described(service: str, pid: int) -> list[tuple[str, Value]]:
    """The process, with what `OTEL_RESOURCE_ATTRIBUTES` adds."""
    own: dict[str, Value] = {
        "service.name": service,
        "service.instance.id": f"{socket.gethostname()}:{pid}",
        "process.pid": pid,
    }
    return [(name, value) for name, value in Resource.create(own).attributes.items() if isinstance(value, str | int)]


def start(endpoint: str, service: str) -> None:
    """Records spans from now on. `endpoint` is the address of the collector without `/v1/traces`."""
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # the exporter above says it once
    recorder = Recorder(f"{endpoint.rstrip('/')}/v1/traces", service)
    spans.record_with(recorder)
    atexit.register(recorder.stop)

    def stop(**_: Any) -> None:
        recorder.stop()

    worker_process_shutdown.connect(stop, weak=False)  # such a process ends without its exit handlers
