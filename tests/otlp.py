"""A collector: takes OTLP over HTTP and keeps every span."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Taken:
    """A span as the collector reads it. Ids are hexadecimal."""

    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    links: tuple[tuple[str, str], ...]
    links_left_out: int
    failed: bool
    process: int


@dataclass
class Collector:
    """`status` is its answer to every request."""

    port: int
    status: int = 200
    spans: list[Taken] = field(default_factory=list)
    requests: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def traces(self) -> dict[str, list[Taken]]:
        found: dict[str, list[Taken]] = defaultdict(list)
        for span in list(self.spans):
            found[span.trace_id].append(span)
        return found


def read(body: bytes) -> list[Taken]:
    """The spans of one request's body."""
    request = ExportTraceServiceRequest()
    request.ParseFromString(body)
    return [
        Taken(
            span.name, span.kind, span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(),
            _values(span.attributes), tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
            span.dropped_links_count, span.status.code == 2, _values(group.resource.attributes)["process.pid"],
        )
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]  # fmt: skip


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.requests += 1
            if collector.status == 200 and self.path == "/v1/traces":
                collector.spans.extend(read(body))
            self.send_response(collector.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector = Collector(server.server_address[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
