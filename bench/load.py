"""`python -m bench.load`: an efficient load generator that places orders over HTTP on persistent connections.

It is one process with one loop over all connections. It encodes all bodies, prints `ready`, starts when it reads a line
from stdin, and prints a `Result` as JSON. Each request has its own Idempotency-Key. If a connection closes before the
response, the request is sent once more with the same key. Every status except 201 and 207 counts as a failure.
"""

from __future__ import annotations

import argparse
import selectors
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import uuid4

import msgspec

from bench.orders import KINDS, bodies, calls

GIVE_UP = 120.0
"""Seconds without any response after which the remaining requests count as failed."""
PORTION = 262_144


class Result(msgspec.Struct, frozen=True):
    """The result. `began` and `ended` are Unix times in seconds; `taken_ms` has the time of each response."""

    began: float
    ended: float
    cpu_seconds: float
    taken_ms: list[float]
    failures: dict[str, int]


@dataclass
class Connection:
    """A connection that sends one request after another. `request` is the one without a response."""

    address: tuple[str, int]
    socket: socket.socket = field(init=False)
    request: bytes = b""
    sent_at: float = 0.0
    received: bytes = b""
    repeated: bool = False
    over: bool = False
    """The server announced that it closes the connection after this response."""

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        self.socket = socket.create_connection(self.address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, request: bytes) -> None:
        self.request, self.sent_at, self.received, self.repeated = request, time.perf_counter(), b"", False
        self._write()

    def again(self) -> bool:
        """Repeats the request on a new connection; returns False if that was done already."""
        self.socket.close()
        self.open()
        if not self.request or self.repeated:
            return False
        self.received, self.repeated = b"", True
        self._write()
        return True

    def _write(self) -> None:
        with suppress(OSError):  # the end of the connection is read next
            self.socket.sendall(self.request)

    def read(self) -> bytes | None:
        """The status of a complete response; b"" while it is incomplete, None if the connection closed before."""
        try:
            portion = self.socket.recv(PORTION)
        except OSError:
            return None
        if not portion:
            return None
        self.received += portion
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return b""
        self.request = b""
        self.over = b"\r\nconnection: close" in head.lower()
        return head[9:12]


def _length(head: bytes) -> int:
    """The Content-Length. A response without one counts as endless, so that it fails."""
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if found else sys.maxsize


class Clients:
    """All connections. They send `rate` requests per second; with 0, each sends as soon as it has its response."""

    def __init__(self, address: tuple[str, int], count: int, rate: float = 0.0) -> None:
        self.rate = rate
        self.selector = selectors.DefaultSelector()
        self.idle: deque[Connection] = deque()
        self.address = address
        self.taken_ms: list[float] = []
        self.failures: Counter[str] = Counter()
        self.busy = 0
        for _ in range(count):
            self._connect()

    def _connect(self) -> None:
        connection = Connection(self.address)
        self.selector.register(connection.socket, selectors.EVENT_READ, connection)
        self.idle.append(connection)

    def run(self, requests: Sequence[bytes]) -> Result:
        began, cpu = time.time(), time.process_time()
        start = last_response = time.perf_counter()
        waiting: Iterator[bytes] = iter(requests)
        sent = 0
        while sent < len(requests) or self.busy:
            while sent < len(requests) and self.idle and self._is_time(start, sent):
                self.idle.popleft().send(next(waiting))
                self.busy += 1
                sent += 1
            ready = self.selector.select(self._patience(start, sent, len(requests)))
            for key, _ in ready:
                self._read(key.data)
            now = time.perf_counter()
            last_response = now if ready or not self.busy else last_response
            if now - last_response > GIVE_UP:
                self.failures["no answer"] += len(requests) - sent + self.busy
                break
        return Result(began, time.time(), time.process_time() - cpu, self.taken_ms, dict(self.failures))

    def _is_time(self, start: float, number: int) -> bool:
        return not self.rate or time.perf_counter() - start >= number / self.rate

    def _patience(self, start: float, sent: int, total: int) -> float:
        if not self.rate or sent >= total or not self.idle:
            return 1.0
        return max(0.0, start + sent / self.rate - time.perf_counter())

    def _read(self, connection: Connection) -> None:
        status = connection.read()
        if status == b"":
            return
        if status is None:
            self._reopen(connection)
            return
        self.taken_ms.append((time.perf_counter() - connection.sent_at) * 1000)
        if status not in {b"201", b"207"}:
            self.failures[status.decode("latin-1")] += 1
        self.busy -= 1
        if connection.over:
            self._reopen(connection)
        self.idle.append(connection)

    def _reopen(self, connection: Connection) -> None:
        """Handles a closed connection. A server can close an idle connection; that is not a failure."""
        was_asking = bool(connection.request)
        self.selector.unregister(connection.socket)
        repeated = connection.again()
        self.selector.register(connection.socket, selectors.EVENT_READ, connection)
        if was_asking and not repeated:
            connection.request = b""
            self.failures["connection lost"] += 1
            self.busy -= 1
            self.idle.append(connection)


def request(path: str, host: str, token: str, body: bytes) -> bytes:
    """The bytes of a request. It has the X-Forwarded-Proto header that production's proxy would send."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nX-Forwarded-Proto: https\r\n"
        f"Content-Type: application/json\r\nIdempotency-Key: {uuid4()}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.load")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--orders", type=int, required=True)
    parser.add_argument("--kind", choices=KINDS, default="spread")
    parser.add_argument("--clients", type=int, default=16, help="the number of connections")
    parser.add_argument("--rate", type=float, default=0.0, help="requests per second; 0 for as fast as possible")
    parser.add_argument("--bulk", type=int, default=0, help="orders per bulk request; 0 for single orders")
    options = parser.parse_args()
    token = sys.stdin.readline().strip()  # not an argument, because every user of the machine can read those
    host = f"127.0.0.1:{options.port}"
    path, bodies_of = ("/api/v1/orders/bulk/", calls) if options.bulk else ("/api/v1/orders/", bodies)
    requests = [request(path, host, token, body) for body in bodies_of(options.kind, options.orders, options.bulk)]
    clients = Clients(("127.0.0.1", options.port), options.clients, options.rate)
    print("ready", flush=True)
    sys.stdin.readline()
    sys.stdout.buffer.write(msgspec.json.encode(clients.run(requests)) + b"\n")


if __name__ == "__main__":
    main()
