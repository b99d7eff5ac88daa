"""Writes and reads the audit log. It holds every manual change, from the admin, the API or a command."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Model, Q, QuerySet
from django.db.models.functions import Now

from desk.models import Audit


def record(
    actor: str,
    action: str,
    target_kind: str,
    target_ids: Iterable[object],
    *,
    reason: str = "",
    details: Mapping[str, Any] | None = None,
) -> None:
    """Adds one entry. Call it in the transaction of the action that it records."""
    Audit.objects.create(
        at=Now(),
        actor=actor,
        action=action,
        target_kind=target_kind,
        target_ids=[str(id_) for id_ in target_ids],
        reason=reason,
        details=dict(details or {}),
    )


def about(target_kind: str, target_id: object) -> QuerySet[Audit]:
    """The entries about one target, the newest first."""
    return about_any(target_kind, [target_id])


def about_any(target_kind: str, target_ids: Iterable[object]) -> QuerySet[Audit]:
    """The entries about one or more of these targets, the newest first; none without a target."""
    wanted = [Q(target_ids__contains=[str(id_)]) for id_ in target_ids]
    found = Audit.objects.filter(reduce(or_, wanted), target_kind=target_kind) if wanted else Audit.objects.none()
    return found.order_by("-id")


def as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """Field values as JSON types for `details`: prices and times as text, a related row by its key, several by name."""
    return {name: _as_json(value) for name, value in values.items()}


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The `before` and `after` of the fields whose values differ, as JSON types; empty if none does."""
    old, new = as_json(before), as_json(after)
    names = [name for name in new if old.get(name) != new[name]]
    if not names:
        return {}
    return {"before": {name: old.get(name) for name in names}, "after": {name: new[name] for name in names}}


def _as_json(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str | Mapping):
        return value
    if isinstance(value, Model):
        return str(value.pk)
    return sorted(str(one) for one in value) if isinstance(value, Iterable) else str(value)
