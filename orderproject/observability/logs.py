"""Logging: one line per record on stderr, as JSON in production and as text elsewhere, with request and task ids."""

from __future__ import annotations

from collections.abc import MutableMapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import connection
from django.utils.module_loading import import_string

OF_ORDERS = frozenset({"order", "inventory", "payment", "notification"})
"""The stream kinds whose subject is an order."""
_looking_up: ContextVar[bool] = ContextVar("looking_up", default=False)


def add_order_number(logger: Any, method: str, record: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The number of the order that a line is about, which is what customers and staff know it by.

    Only lines that name an order cost a statement, and each order one. A line is written without the number if the
    database cannot be asked now.
    """
    order = record.get("order") or _order_of(record.get("stream", ""))
    if order and "order_number" not in record and not _looking_up.get():
        token = _looking_up.set(True)  # what the look-up logs itself must not look up again
        try:
            if not connection.needs_rollback:
                record["order_number"] = _number_of(str(order))
        except Exception:  # noqa: BLE001, S110  a log line must never fail  # nosec B110
            pass
        finally:
            _looking_up.reset(token)
    return record


def _order_of(stream: str) -> str:
    kind, _, subject = stream.partition(":")
    return subject if kind in OF_ORDERS else ""


@lru_cache(maxsize=4096)
def _number_of(order: str) -> str:
    """Raises LookupError for an id that is no order's, so that it is not cached."""
    number: str = import_string(settings.ORDER_NUMBER)(UUID(order))
    return number


SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    add_order_number,
]


def configuration(*, as_json: bool) -> dict[str, Any]:
    """The value of Django's LOGGING. Also configures structlog to use the same handlers."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED,
            *([structlog.processors.format_exc_info] if as_json else []),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=False,
            exception_formatter=structlog.dev.plain_traceback,  # others print local variables, such as secrets
        )
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": SHARED,
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        # Celery logs every task; Flower shows them instead.
        "loggers": {"celery.app.trace": {"level": "WARNING"}, "celery.worker.strategy": {"level": "WARNING"}},
    }
