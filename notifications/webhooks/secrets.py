"""A webhook's secrets, as they are kept, and the signature of Standard Webhooks (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta
from functools import cache

import msgspec
from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from events.typed import convert

PREFIX = "whsec_"
BYTES = 32
GRACE = timedelta(hours=24)
"""For as long what was rotated away still signs too, so that a receiver may change over at its leisure."""
MOST = 4
"""Secrets that sign at once; whoever rotates more often within the grace loses the oldest."""


class Secret(msgspec.Struct, frozen=True):
    """`until`: when it stops signing; None for the one that is current."""

    value: str
    until: datetime | None = None


class Keyring(msgspec.Struct, frozen=True):
    """All secrets of a webhook, the current one first."""

    secrets: tuple[Secret, ...]

    @classmethod
    def new(cls) -> Keyring:
        return cls((_fresh(),))

    @property
    def current(self) -> str:
        return self.secrets[0].value

    def rotated(self, now: datetime) -> Keyring:
        current, *older = self.secrets
        kept = [Secret(current.value, now + GRACE), *(one for one in older if _signs(one, now))]
        return Keyring((_fresh(), *kept[: MOST - 1]))

    def sign(self, message_id: str, now: datetime, body: bytes) -> str:
        """The header `webhook-signature`: one signature for each secret that is still good."""
        return " ".join(_signature(one.value, message_id, now, body) for one in self.secrets if _signs(one, now))

    def seal(self) -> str:
        return _box().encrypt(msgspec.json.encode(self)).decode()

    @classmethod
    def open(cls, sealed: str) -> Keyring:
        """Raises cryptography.fernet.InvalidToken if it was sealed under a SECRET_KEY that we do not have."""
        return convert(msgspec.json.decode(_box().decrypt(sealed)), cls)


def timestamp(now: datetime) -> str:
    """The header `webhook-timestamp`."""
    return str(int(now.astimezone(UTC).timestamp()))


def _fresh() -> Secret:
    return Secret(PREFIX + base64.b64encode(secrets.token_bytes(BYTES)).decode())


def _signs(secret: Secret, now: datetime) -> bool:
    return secret.until is None or secret.until > now


def _signature(secret: str, message_id: str, now: datetime, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = b".".join((message_id.encode(), timestamp(now).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def _box() -> MultiFernet:
    return _box_of((settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))


@cache
def _box_of(keys: tuple[str, ...]) -> MultiFernet:
    """The first key seals, each opens."""
    return MultiFernet([Fernet(base64.urlsafe_b64encode(_derived(key))) for key in keys])


def _derived(key: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"notifications.webhooks").derive(key.encode())
