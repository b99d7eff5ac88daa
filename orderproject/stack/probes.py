"""Probes that check whether a process is ready. A probe returns within about a second."""

import http.client
import re
import socket
import time
from collections.abc import Callable
from typing import Protocol

from orderproject.stack.ports import HOST


class Probed(Protocol):
    """The part of a process that probes can use."""

    started_at: float

    def output(self) -> str:
        """The output since the last start."""


Probe = Callable[[Probed], bool]


def answers_http(port: int, path: str) -> Probe:
    def probe(_: Probed) -> bool:
        connection = http.client.HTTPConnection(HOST, port, timeout=1)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return probe


def answers_ping(port: int, password: str) -> Probe:
    """Valkey answers PONG only after it has loaded its file."""

    def probe(_: Probed) -> bool:
        try:
            with socket.create_connection((HOST, port), timeout=1) as connection:
                connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
                answers = connection.makefile("rb")
                return answers.readline().startswith(b"+OK") and answers.readline().startswith(b"+PONG")
        except OSError:
            return False

    return probe


def log_matches(pattern: str) -> Probe:
    """The output since the last start matches the pattern."""
    expression = re.compile(pattern)
    return lambda process: expression.search(process.output()) is not None


def answers_celery(broker_url: str, node: str) -> Probe:
    """The worker answers a ping. Unlike a probe of its log, this does not depend on the logging configuration."""

    def probe(_: Probed) -> bool:
        from amqp.exceptions import AMQPError
        from celery import Celery
        from kombu.exceptions import OperationalError
        from redis.exceptions import RedisError

        with Celery(broker=broker_url, set_as_current=False) as app:
            try:
                return bool(app.control.ping(destination=[node], timeout=0.3, limit=1))
            except (OperationalError, AMQPError, RedisError, OSError):
                return False  # the broker is unreachable, or the connection was lost

    return probe


def either(first: Probe, second: Probe) -> Probe:
    return lambda process: first(process) or second(process)


def runs_for(seconds: float) -> Probe:
    """For processes that do not report readiness: the process has run for this many seconds."""
    return lambda process: time.monotonic() - process.started_at >= seconds
