"""API keys of servers: `Authorization: Api-Key <prefix>.<secret>`.

The prefix finds the row. Of the secret, 256 random bits, only the SHA-256 is stored: nobody guesses such a text, so a
slow hash would protect nothing. A process believes what it has read for `BELIEVED` seconds, which keeps the database
out of nearly every request; as long may a key still work after it was revoked, or its user switched off.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from django.db import connection, transaction
from django.db.models.functions import Now
from rest_framework.exceptions import AuthenticationFailed

from events.audit import note
from orderproject.models import ApiKey

SCHEME = "Api-Key"
KIND = "api key"
BELIEVED = 5.0
REMEMBERED = 1_000
"""Keys that a process keeps in mind; beyond that it starts anew."""
SEEN_EVERY = timedelta(minutes=10)
"""Between two notes of when a key was used."""


@dataclass(frozen=True)
class Known:
    """A key that holds, with its user as an access token describes one."""

    prefix: str
    user: dict[str, Any]


class WrongKey(AuthenticationFailed):
    default_code = "api-key-not-valid"
    default_detail = "There is no such API key, or it is revoked or expired."


def issue(key: ApiKey, *, actor: str) -> str:
    """Saves a new key and returns its text, which nobody can read again. It is written into the audit."""
    secret = secrets.token_urlsafe(32)
    key.prefix, key.digest = secrets.token_hex(6), sha256(secret.encode()).digest()
    with transaction.atomic():
        key.save(force_insert=True)
        note(actor, "issue", KIND, [key.prefix], details={"user": key.user.get_username(), "name": key.name})
    return f"{key.prefix}.{secret}"


def revoke(keys: Sequence[ApiKey], *, actor: str, reason: str) -> list[ApiKey]:
    """Returns those that still held; in `BELIEVED` seconds nobody lets them in. It is written into the audit."""
    with transaction.atomic():
        rows = ApiKey.objects.select_for_update().filter(id__in=[key.id for key in keys], revoked_at=None)
        held = list(rows.order_by("id"))
        if held:
            ApiKey.objects.filter(id__in=[key.id for key in held]).update(revoked_at=Now())
            note(actor, "revoke", KIND, [key.prefix for key in held], reason=reason)
    return held


def known(text: str) -> Known:
    """Raises WrongKey."""
    # Not the text itself: a dump of the process should not hold keys that work.
    remembered = sha256(text.encode()).digest()
    found, until = _believed.get(remembered, (None, 0.0))
    if found is None or until < time.monotonic():
        found, lives = _read(text)
        if len(_believed) >= REMEMBERED:
            _believed.clear()
        _believed[remembered] = found, time.monotonic() + min(lives, BELIEVED)
    return found


def forget() -> None:
    """This process believes nothing any more."""
    _believed.clear()


_believed: dict[bytes, tuple[Known, float]] = {}


def _read(text: str) -> tuple[Known, float]:
    """The key, and for how many seconds it still lives."""
    prefix, _, secret = text.partition(".")
    with connection.cursor() as cursor:
        cursor.execute(FIND, [prefix])
        row = cursor.fetchone()
    # The prefix is no secret, so it may show by the time it takes that there is none.
    if row is None or not hmac.compare_digest(bytes(row[1]), sha256(secret.encode()).digest()):
        raise WrongKey
    id_, _, expires_at, last_used_at, *user = row
    now = datetime.now(UTC)
    if last_used_at is None or last_used_at < now - SEEN_EVERY:
        ApiKey.objects.filter(id=id_).update(last_used_at=Now())
    lives = BELIEVED if expires_at is None else (expires_at - now).total_seconds()
    return Known(prefix, dict(zip(CLAIMS, user, strict=True))), lives


CLAIMS = ("user_id", "username", "is_staff", "is_superuser", "permissions")
"""What an access token says of its user, in the order of `FIND`."""

# One step of the unique index, and the rights of one user.
FIND = """
SELECT key.id, key.digest, key.expires_at, key.last_used_at,
       person.id::text, person.username, person.is_staff, person.is_superuser,
       ARRAY(SELECT kind.app_label || '.' || permission.codename
             FROM auth_permission permission JOIN django_content_type kind ON kind.id = permission.content_type_id
             WHERE permission.id IN (
                 SELECT permission_id FROM orderproject_user_user_permissions WHERE user_id = person.id
                 UNION SELECT granted.permission_id FROM auth_group_permissions granted
                 JOIN orderproject_user_groups member ON member.group_id = granted.group_id
                 WHERE member.user_id = person.id))
FROM orderproject_apikey key JOIN orderproject_user person ON person.id = key.user_id
WHERE key.prefix = %s AND key.revoked_at IS NULL AND person.is_active
  AND (key.expires_at IS NULL OR key.expires_at > now())
"""
