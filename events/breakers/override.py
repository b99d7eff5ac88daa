"""Operators' actions on breakers: force one open or closed, or release it. Each is recorded in the audit log."""

from __future__ import annotations

from django.db import transaction

from desk import audit
from events.breakers.breaker import Breaker, State

KIND = "breaker"


def force(one: Breaker, state: State, *, actor: str, reason: str) -> None:
    """Forces the breaker open or closed for a week at most.

    Raises redis.RedisError; then neither the breaker nor the audit log has changed.
    """
    with transaction.atomic():
        audit.record(actor, f"force {state}", KIND, [one.name], reason=reason)
        one.force(state, by=actor, why=reason)


def release(one: Breaker, *, actor: str, reason: str = "") -> None:
    """Ends a forced state. Raises redis.RedisError as `force` does."""
    with transaction.atomic():
        audit.record(actor, "release", KIND, [one.name], reason=reason)
        one.release(by=actor)
