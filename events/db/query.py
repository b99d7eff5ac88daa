"""Runs one SQL statement on this thread's connection."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection


def execute(statement: str, parameters: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Returns the statement's rows; an empty list if it returns no result set."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []
