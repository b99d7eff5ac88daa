"""Forgets a customer, as the GDPR (article 17) asks for: all personal data go, orders, money and the log stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now
from django.utils.timezone import now

from desk import audit
from desk.forgetting import FORGET
from desk.personal_data import Person, erase, traced
from orderproject.models import User

KIND = "user"
AGAIN_FOR = timedelta(days=1)
"""How long a forgotten user is looked after: an access token, a message or an e-mail may still be on its way."""


class StillOpen(Exception):
    """The customer has business that needs the data. The message says what to do first."""

    code = "still-open"


@dataclass(frozen=True)
class Forgotten:
    """`erased`: how many of what went, or would go in a dry run."""

    user: UUID
    erased: Mapping[str, int]
    dry_run: bool


def forget(user_id: UUID, *, actor: str, reason: str, dry_run: bool = False) -> Forgotten:
    """Erases all personal data of a user, in one transaction with its audit record. Cannot be undone. Idempotent.

    A dry run does the same and rolls back. Raises User.DoesNotExist, and StillOpen while orders need the data.
    """
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).get(pk=user_id)
        person, why_not = traced(_person(user))
        if why_not:
            raise StillOpen(" ".join(why_not))
        erased = erase(person)
        audit.record(actor, FORGET, KIND, [user_id], reason=reason, details={"erased": erased})
        transaction.set_rollback(dry_run)
    return Forgotten(user_id, erased, dry_run)


def may_forget(caller: Any, user: User) -> bool:
    """Only superusers can forget staff, as only they can change them."""
    may: bool = caller.has_perm("orderproject.forget_user")
    return may and (bool(caller.is_superuser) or not (user.is_staff or user.is_superuser))


def forget_again() -> int:
    """Erases what came in after its customer was forgotten. Returns for how many there was something. Idempotent."""
    since: datetime = now() - AGAIN_FOR
    return sum(_again(user) for user in User.objects.filter(forgotten_at__gt=since).order_by("pk"))


def _again(user: User) -> bool:
    with transaction.atomic():
        person, why_not = traced(_person(user))
        if why_not:  # the next time, when it has ended
            User.objects.filter(pk=user.pk).update(forgotten_at=Now())
            return False
        return bool(erase(person))


def _person(user: User) -> Person:
    known: set[Any] = {user.username, user.email} - {""} if user.forgotten_at is None else set()
    return Person(user.pk, frozenset(known), targets=frozenset({str(user.pk)}))
