"""The engine's connection and cursor classes; Django requires this module name."""

from __future__ import annotations

import select
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.db.backends.postgresql import base
from psycopg import Error

from events.db.engine.arrays import ArrayDumper
from events.db.keyed import MAX_ROWS_OF_KEPT_PLAN, Keyed
from events.db.patience import patience


class Cursor(base.ServerBindingCursor):
    """Prepares `Keyed` statements for few rows, because planning would take longer than executing them.

    Prepares no other statement, because a plan made for a small table must not be kept while the table grows.
    """

    def execute(self, query: Any, params: Any = None, *, prepare: bool | None = None, **options: Any) -> Any:
        prepare = isinstance(query, Keyed) and _longest(params) <= MAX_ROWS_OF_KEPT_PLAN
        return super().execute(query, params, prepare=prepare, **options)  # type: ignore[misc]


def _longest(params: Any) -> int:
    given = params.values() if isinstance(params, Mapping) else params or ()
    return max((len(one) for one in given if isinstance(one, list)), default=0)


class DatabaseWrapper(base.DatabaseWrapper):
    """Skips dead connections in the pool.

    The pool's own check (CONN_HEALTH_CHECKS) pauses longer after each dead connection: after a restart of PostgreSQL
    with six idle connections, it returns none within ten seconds.
    """

    def __init__(self, settings_dict: dict[str, Any], *args: Any, **options: Any) -> None:
        wanted = settings_dict.setdefault("OPTIONS", {})
        wanted.setdefault("server_side_binding", True)  # lists travel as arrays instead of as text in the statement
        wanted.setdefault("prepare_threshold", 0)  # `Cursor` decides what is prepared
        super().__init__(settings_dict, *args, **options)

    def get_connection_params(self) -> dict[str, Any]:
        parameters = super().get_connection_params()
        parameters["context"].adapters.register_dumper(list, ArrayDumper)
        return parameters

    def get_new_connection(self, conn_params: Any) -> Any:
        """A live connection. Raises OperationalError if the server is unreachable."""
        while True:
            self._wait_for_pool()
            connection = super().get_new_connection(conn_params)
            connection.cursor_factory = Cursor
            if self.pool is None or _is_alive(connection):
                return connection
            self.pool.putconn(connection)  # the pool discards a closed connection

    def _wait_for_pool(self) -> None:
        """Waits until the pool has a connection, for callers with less patience than the pool. It may be a dead one."""
        seconds = patience.get()
        if self.pool is not None and seconds is not None:
            self.pool.open()
            self.pool.putconn(self.pool.getconn(seconds))


def _is_alive(connection: Any) -> bool:
    """Whether the server is still connected. An idle socket without input counts as alive and costs no round trip.

    When a server or its process ends, the socket becomes readable; only then is a statement needed to check.
    """
    with suppress(Error):
        if _is_readable(connection.fileno()):
            connection.execute("SELECT 1")
        return True
    return False


def _is_readable(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
