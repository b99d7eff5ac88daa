"""Somebody else's server that takes webhooks, and believes only what the library of the standard verifies."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rest_framework.test import APIClient
from standardwebhooks import Webhook

from tests.integration.api import BASE

WEBHOOKS = f"{BASE}webhooks/"
Answer = int | tuple[int, dict[str, str]]


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> Any:
        """The envelope. Raises WebhookVerificationError."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """Gives its answers one after the other, then 200. `hanging` paths answer nothing until `release` is set."""

    port: int
    answers: list[Answer] = field(default_factory=list)
    hanging: set[str] = field(default_factory=set)
    release: threading.Event = field(default_factory=threading.Event)
    requests: list[Received] = field(default_factory=list)
    most_at_once: Counter[str] = field(default_factory=Counter)
    _at_once: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def take(self, request: Received) -> Answer:
        path = request.path
        with self._lock:
            self.requests.append(request)
            self._at_once[path] += 1
            self.most_at_once[path] = max(self.most_at_once[path], self._at_once[path])
        if path in self.hanging:
            self.release.wait(60)
        with self._lock:
            self._at_once[path] -= 1
            return self.answers.pop(0) if self.answers else 200

    def paths(self) -> Counter[str]:
        with self._lock:
            return Counter(request.path for request in self.requests)


class Server(ThreadingHTTPServer):
    request_queue_size = 128  # a connection that finds it full comes a second later


@contextmanager
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = taking.take(Received(self.path, {name.lower(): text for name, text in self.headers.items()}, body))
            status, headers = answer if isinstance(answer, tuple) else (answer, {})
            self.send_response(status)
            for name, value in {"Content-Length": "2", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"ok")

        do_GET = do_POST  # noqa: N815  what a redirect that is followed would become

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = Server(("127.0.0.1", 0), Handler)
    taking = Receiver(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield taking
    finally:
        taking.release.set()
        server.shutdown()
        server.server_close()
        thread.join()


def create(api: APIClient, url: str, *event_types: str) -> dict[str, Any]:
    answer = api.post(WEBHOOKS, {"url": url, "eventTypes": list(event_types) or ["order.*"], "description": "ours"})
    assert answer.status_code == 201, answer.content
    made: dict[str, Any] = answer.json()
    assert answer["Location"] == f"{WEBHOOKS}{made['id']}/"
    return made
