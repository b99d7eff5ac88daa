"""PostgreSQL and Valkey from wheels, on the loopback address, with data in a folder. Needs no Django."""

from orderproject.stack.postgres import EmbeddedPostgres
from orderproject.stack.valkey import EmbeddedValkey

__all__ = ["EmbeddedPostgres", "EmbeddedValkey"]
