"""API keys for server-to-server clients: `Authorization: Api-Key <prefix>.<secret>`.

The prefix identifies the row. The secret has 256 random bits and is stored as SHA-256; a slow hash would not add
protection, because such a secret cannot be guessed. Each process caches keys for `KEY_CACHE_SECONDS`, so that almost no
request queries the database. A key can work that much longer after it was revoked or its user was deactivated.
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

from desk import audit
from orderproject.models import ApiKey

SCHEME = "Api-Key"
KIND = "api key"
KEY_CACHE_SECONDS = 5.0
MAX_CACHED = 1_000
"""The maximum number of keys in a process's cache. The cache is cleared when it is full."""
SEEN_EVERY = timedelta(minutes=10)
"""How often `last_used_at` of a key is updated."""


@dataclass(frozen=True)
class Known:
    """A valid key, with the claims that an access token of its user would have."""

    prefix: str
    user: dict[str, Any]


class WrongKey(AuthenticationFailed):
    default_code = "api-key-not-valid"
    default_detail = "The API key is unknown, revoked or expired. Ask an administrator for a new one."


def issue(key: ApiKey, *, actor: str) -> str:
    """Saves a new key and returns its text, which cannot be read again. Writes an audit record."""
    secret = secrets.token_urlsafe(32)
    key.prefix, key.digest = secrets.token_hex(6), sha256(secret.encode()).digest()
    with transaction.atomic():
        key.save(force_insert=True)
        audit.record(actor, "issue", KIND, [key.prefix], details={"user": str(key.user_id)})
    return f"{key.prefix}.{secret}"


def revoke(keys: Sequence[ApiKey], *, actor: str, reason: str) -> list[ApiKey]:
    """Revokes keys and returns those that were not revoked before. Writes an audit record.

    Every process refuses them after `KEY_CACHE_SECONDS` at the latest.
    """
    with transaction.atomic():
        rows = ApiKey.objects.select_for_update().filter(id__in=[key.id for key in keys], revoked_at=None)
        held = list(rows.order_by("id"))
        if held:
            ApiKey.objects.filter(id__in=[key.id for key in held]).update(revoked_at=Now())
            audit.record(actor, "revoke", KIND, [key.prefix for key in held], reason=reason)
    return held


def known(text: str) -> Known:
    """The key with this text, from the cache or the database. Raises WrongKey."""
    # The cache is keyed by a hash, so that a memory dump of the process contains no usable keys.
    cache_key = sha256(text.encode()).digest()
    found, until = _cache.get(cache_key, (None, 0.0))
    if found is None or until < time.monotonic():
        found, lives = _read(text)
        if len(_cache) >= MAX_CACHED:
            _cache.clear()
        _cache[cache_key] = found, time.monotonic() + min(lives, KEY_CACHE_SECONDS)
    return found


def clear_cache() -> None:
    """Clears this process's cache."""
    _cache.clear()


_cache: dict[bytes, tuple[Known, float]] = {}


def _read(text: str) -> tuple[Known, float]:
    """Reads the key and the number of seconds for which it is valid. Raises WrongKey."""
    prefix, _, secret = text.partition(".")
    with connection.cursor() as cursor:
        cursor.execute(FIND, [prefix])
        row = cursor.fetchone()
    # The prefix is not secret, so the response time can reveal whether it exists.
    if row is None or not hmac.compare_digest(bytes(row[1]), sha256(secret.encode()).digest()):
        raise WrongKey
    id_, _, expires_at, last_used_at, *user = row
    now = datetime.now(UTC)
    if last_used_at is None or last_used_at < now - SEEN_EVERY:
        ApiKey.objects.filter(id=id_).update(last_used_at=Now())
    lives = KEY_CACHE_SECONDS if expires_at is None else (expires_at - now).total_seconds()
    return Known(prefix, dict(zip(CLAIMS, user, strict=True))), lives


CLAIMS = ("user_id", "username", "is_staff", "is_superuser", "permissions")
"""The claims of an access token, in the order of the columns of `FIND`."""

# One lookup in the unique index, and the permissions of one user.
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
