"""Who did what by hand. The repairs of both kernels write here, whether admin, API or command line asked for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models.functions import Now

from events.models import Audit


def note(
    actor: str,
    action: str,
    target_kind: str,
    target_ids: Iterable[object],
    *,
    reason: str = "",
    details: Mapping[str, Any] | None = None,
) -> None:
    """One line for one deed, in the transaction of the deed."""
    Audit.objects.create(
        at=Now(),
        actor=actor,
        action=action,
        target_kind=target_kind,
        target_ids=[str(id_) for id_ in target_ids],
        reason=reason,
        details=dict(details or {}),
    )
