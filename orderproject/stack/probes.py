"""How to tell that a process serves. A probe answers at once, or within a second."""

import http.client
import re
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from orderproject.stack.ports import HOST

if TYPE_CHECKING:
    from orderproject.stack.processes import Process

Probe = Callable[["Process"], bool]


def answers_http(port: int, path: str) -> Probe:
    def probe(_: "Process") -> bool:
        connection = http.client.HTTPConnection(HOST, port, timeout=1)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return probe


def answers_ping(port: int) -> Probe:
    """Valkey's: while it still loads its file it answers, but not with PONG."""

    def probe(_: "Process") -> bool:
        try:
            with socket.create_connection((HOST, port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    return probe


def says(pattern: str) -> Probe:
    """What it has written to its log since it was started matches."""
    expression = re.compile(pattern)
    return lambda process: expression.search(process.output()) is not None


def answers_celery(broker_url: str, node: str) -> Probe:
    """A worker that consumes; unlike its log, the answer does not depend on how logging is set up."""

    def probe(_: "Process") -> bool:
        from amqp.exceptions import AMQPError
        from celery import Celery
        from kombu.exceptions import OperationalError
        from redis.exceptions import RedisError

        with Celery(broker=broker_url, set_as_current=False) as app:
            try:
                return bool(app.control.ping(destination=[node], timeout=0.3, limit=1))
            except (OperationalError, AMQPError, RedisError, OSError):
                return False  # it is away, or was since the last look

    return probe


def either(first: Probe, second: Probe) -> Probe:
    return lambda process: first(process) or second(process)


def runs_for(seconds: float) -> Probe:
    """For what has no sign of being ready: it did not die at once."""
    return lambda process: time.monotonic() - process.started_at >= seconds
