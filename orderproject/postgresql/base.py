"""Django finds its engine here."""

from __future__ import annotations

import select
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.db.backends.postgresql import base
from psycopg import Error

from orderproject.postgresql.arrays import ArrayDumper

KEYS = (UUID, int)
FEW = 20
"""Keys at most for which a statement is prepared."""


class Cursor(base.ServerBindingCursor):
    """Prepares what is given a list of few keys, as for an order that comes alone: planning takes longer than the rest.

    All else is planned anew each time. For many keys another plan is right, and what looks rows up by anything else
    may read a table as a whole while that is small.
    """

    def execute(self, query: Any, params: Any = None, *, prepare: bool | None = None, **options: Any) -> Any:
        itself: Any = super()
        return itself.execute(query, params, prepare=None if _has_few_keys(params) else False, **options)


def _has_few_keys(parameters: Any) -> bool:
    given = parameters.values() if isinstance(parameters, Mapping) else parameters or ()
    lists = [one for one in given if type(one) is list and one]
    return any(type(one[0]) in KEYS for one in lists) and max(map(len, lists)) <= FEW


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
