"""Django's PostgreSQL engine, extended to recover immediately after a restart of the server. For `ENGINE`."""
