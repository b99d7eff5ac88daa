"""What a person does about a breaker: force it open or closed, or release it. Written into the audit."""

from __future__ import annotations

from django.db import transaction

from events.audit import note
from events.breaker import Breaker, State

KIND = "breaker"


def force(one: Breaker, state: State, *, actor: str, reason: str) -> None:
    """For a week at most. Raises redis.RedisError; nothing is changed then, nor written down."""
    with transaction.atomic():
        note(actor, f"force {state}", KIND, [one.name], reason=reason)
        one.force(state, by=actor, why=reason)


def release(one: Breaker, *, actor: str, reason: str = "") -> None:
    """It decides by itself again. Raises redis.RedisError, like `force`."""
    with transaction.atomic():
        note(actor, "release", KIND, [one.name], reason=reason)
        one.release(by=actor)
