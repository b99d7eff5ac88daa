"""Django finds its engine here."""

from __future__ import annotations

import select
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.db.backends.postgresql import base
from psycopg import Error

from events.keyed import FEW, Keyed
from orderproject.postgresql.arrays import ArrayDumper


class Cursor(base.ServerBindingCursor):
    """Has PostgreSQL keep the plan of what is `Keyed`, for a few rows: making one takes longer than all the rest.

    No other: a plan that was made while a table was small must not be kept as it grows.
    """

    def execute(self, query: Any, params: Any = None, *, prepare: bool | None = None, **options: Any) -> Any:
        prepare = isinstance(query, Keyed) and _longest(params) <= FEW
        return super().execute(query, params, prepare=prepare, **options)  # type: ignore[misc]


def _longest(params: Any) -> int:
    given = params.values() if isinstance(params, Mapping) else params or ()
    return max((len(one) for one in given if isinstance(one, list)), default=0)


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
            connection.cursor_factory = Cursor
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
