"""The queues: one per service, declared, so that a misspelt one fails at once."""

from enum import StrEnum


class Queue(StrEnum):
    """Where a task waits. A project that lifts the kernel out names its own services here."""

    ORDERS = "orders"
    INVENTORY = "inventory"
    PAYMENTS = "payments"
    NOTIFICATIONS = "notifications"
    STREAMS = "streams"
