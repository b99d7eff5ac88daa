"""`GET /livez` of a process that serves nothing else: 200 as long as it gets on with its work, 503 when it is silent.

Served from a thread, where LIVEZ_ADDRESS (`0.0.0.0:8001`) is set, from what the process itself knows: its signs of
life. `?olderThan=10` asks for another silence than 30 seconds, as `python -m events.heartbeat check` does.
"""

from __future__ import annotations

import json
import os
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import structlog

from events.heartbeat import SILENT_AFTER, began, silence

log = structlog.get_logger(__name__)


def serve(name: str) -> ThreadingHTTPServer | None:
    """Once per process, as it begins to work. Raises OSError where the address is taken or is none."""
    began(name)
    address = os.environ.get("LIVEZ_ADDRESS", "")
    if not address:
        return None
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()):
        raise OSError(f"LIVEZ_ADDRESS is {address!r}; it must be a host and a port, such as 0.0.0.0:8001")
    server = ThreadingHTTPServer((host, int(port)), _handler(name))
    threading.Thread(target=server.serve_forever, name="livez", daemon=True).start()
    log.info("signs of life", at=f"http://{address}/livez")
    return server


def _handler(name: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5.0

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            if asked.path != "/livez":
                self._problem(HTTPStatus.NOT_FOUND, "not-found", "Nothing is here but /livez.")
                return
            try:
                limit = float(parse_qs(asked.query).get("olderThan", [str(SILENT_AFTER)])[-1])
            except ValueError:
                self._problem(HTTPStatus.BAD_REQUEST, "invalid", "olderThan is a number of seconds.")
                return
            seconds = silence(name)
            if seconds > limit:
                self._problem(HTTPStatus.SERVICE_UNAVAILABLE, "silent", f"{name} is silent for {seconds:.0f} s.")
            else:
                self._answer(HTTPStatus.OK, "application/json", {"status": "ok"})

        def _problem(self, status: HTTPStatus, code: str, detail: str) -> None:
            title = code.replace("-", " ").capitalize()
            body = {
                "type": code,
                "title": title,
                "status": status,
                "detail": detail,
                "instance": "/livez",
                "errors": [],
            }
            self._answer(status, "application/problem+json", body)

        def _answer(self, status: HTTPStatus, content_type: str, body: object) -> None:
            encoded = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(encoded)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, format: str, *args: object) -> None:
            """Whoever asks every few seconds is not worth a line."""

    return Handler
