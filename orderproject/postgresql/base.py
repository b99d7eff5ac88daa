"""Django finds its engine here."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.db.backends.postgresql import base
from psycopg import Error


class DatabaseWrapper(base.DatabaseWrapper):
    """Takes from its pool what is alive.

    The pool's own check (CONN_HEALTH_CHECKS) pauses after each dead connection, ever longer: after a restart of
    PostgreSQL, six idle ones are enough for none to be given within ten seconds.
    """

    def get_new_connection(self, conn_params: Any) -> Any:
        """Raises OperationalError if the server is away."""
        while True:
            connection = super().get_new_connection(conn_params)
            if self.pool is None or _lives(connection):
                return connection
            self.pool.putconn(connection)  # which throws it away


def _lives(connection: Any) -> bool:
    with suppress(Error):
        connection.execute("SELECT 1")
        return True
    return False
