"""PostgreSQL and Valkey from wheels, on the loopback address, with their data in a folder. Works without Django."""

from orderproject.stack.servers.postgres import EmbeddedPostgres
from orderproject.stack.servers.valkey import EmbeddedValkey

__all__ = ["EmbeddedPostgres", "EmbeddedValkey"]
