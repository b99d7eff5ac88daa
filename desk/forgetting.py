"""Erases a person from the audit: it keeps who did what to which rows and when, but not what was written about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import connection

from desk.models import Audit
from desk.personal_data import FORGOTTEN, Person, PersonalData, redacting

FORGET = "forget"
"""The action of forgetting somebody. Its own entry stays as it is, for it is the proof."""

# Plan: the GIN index audit_target, once for each id.
ABOUT = """
SELECT DISTINCT audit.id FROM unnest(%s::text[]) AS target (id)
JOIN events_audit audit ON audit.target_ids @> to_jsonb(ARRAY[target.id])
"""


class Audits(PersonalData):
    def erase(self, person: Person) -> Mapping[str, int]:
        with redacting():
            by_name = Audit.objects.filter(actor__in=person.names).update(actor=person.actor)
            return {"audit entries": by_name + _redact_texts(person)}


def _redact_texts(person: Person) -> int:
    with connection.cursor() as cursor:
        cursor.execute(ABOUT, [list(person.targets)])
        ids = [id_ for (id_,) in cursor.fetchall()]
    changed = 0
    for entry in Audit.objects.filter(id__in=ids).exclude(action=FORGET):
        reason, details = redacted(entry.reason), redacted(entry.details)
        if (reason, details) != (entry.reason, entry.details):
            changed += Audit.objects.filter(id=entry.id).update(reason=reason, details=details)
    return changed


def redacted(value: Any) -> Any:
    """The same with every text erased that a person may have written. Ids, numbers and the structure stay."""
    if isinstance(value, dict):
        return {name: redacted(one) for name, one in value.items()}
    if isinstance(value, list):
        return [redacted(one) for one in value]
    return FORGOTTEN if isinstance(value, str) and value and not _is_id(value) else value


def _is_id(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False
