"""The encrypted storage of webhook secrets, and Standard Webhooks signatures (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta
from functools import cache

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from web.typed import convert

PREFIX = "whsec_"
BYTES = 32
GRACE = timedelta(hours=24)
"""How long a rotated secret still signs, so that receivers have time to switch to the new one."""
MAX_SECRETS = 4
"""The maximum number of secrets that sign concurrently. More rotations within the grace period drop the oldest."""


class Secret(msgspec.Struct, frozen=True):
    """A secret. `until` is the time when it stops signing; None for the current secret."""

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
        return Keyring((_fresh(), *kept[: MAX_SECRETS - 1]))

    def sign(self, message_id: str, now: datetime, body: bytes) -> str:
        """The header `webhook-signature`: one signature per valid secret."""
        return " ".join(_signature(one.value, message_id, now, body) for one in self.secrets if _signs(one, now))

    @classmethod
    def replacing(cls, sealed: str, now: datetime) -> Keyring:
        """A keyring with a new secret. The old ones sign for their time, if a known SECRET_KEY still opens them."""
        try:
            return cls.open(sealed).rotated(now)
        except InvalidToken:
            return cls.new()

    def seal(self) -> str:
        return _box().encrypt(msgspec.json.encode(self)).decode()

    @classmethod
    def open(cls, sealed: str) -> Keyring:
        """Decrypts a keyring. Raises cryptography.fernet.InvalidToken if no known SECRET_KEY fits."""
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
    """Encrypts with the first key and decrypts with any of them."""
    return MultiFernet([Fernet(base64.urlsafe_b64encode(_derived(key))) for key in keys])


def _derived(key: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"notifications.webhooks").derive(key.encode())
