"""Django finds its engine here."""

from __future__ import annotations

import select
from contextlib import suppress
from typing import Any

from django.db.backends.postgresql import base
from psycopg import Error

from orderproject.postgresql.arrays import ArrayDumper


class DatabaseWrapper(base.DatabaseWrapper):
    """Takes from its pool what is alive.

    The pool's own check (CONN_HEALTH_CHECKS) pauses after each dead connection, ever longer: after a restart of
    PostgreSQL, six idle ones are enough for none to be given within ten seconds.
    """

    def get_connection_params(self) -> dict[str, Any]:
        parameters = super().get_connection_params()
        parameters["context"].adapters.register_dumper(list, ArrayDumper)
        return parameters

    def get_new_connection(self, conn_params: Any) -> Any:
        """Raises OperationalError if the server is away."""
        while True:
            connection = super().get_new_connection(conn_params)
            if self.pool is None or _lives(connection):
                return connection
            self.pool.putconn(connection)  # which throws it away


def _lives(connection: Any) -> bool:
    """A server that goes says so, or its kernel does. One that was silent costs no round trip; others are asked."""
    with suppress(Error):
        if _has_said_something(connection.fileno()):
            connection.execute("SELECT 1")
        return True
    return False


def _has_said_something(descriptor: int) -> bool:
    said = select.poll()
    said.register(descriptor, select.POLLIN)
    return bool(said.poll(0))
