"""Identifies the caller of a request once, for the rate limit and for the view."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db import Error
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTStatelessUserAuthentication
from rest_framework_simplejwt.models import TokenUser

from orderproject.accounts import api_keys
from orderproject.api.addresses import address_block, client_address

MAX_CACHED = 10_000
"""The maximum number of access tokens in a process's cache. The cache is cleared when it is full."""
CHALLENGE = 'Bearer realm="api", Api-Key realm="api"'


class Caller(TokenUser):
    """A user built from the claims of an access token or an API key. Permission checks work as on any Django user."""

    @cached_property
    def id(self) -> UUID:  # type: ignore[override]  # a UUID, as on the model User
        return UUID(self.token["user_id"])

    def get_all_permissions(self, obj: object | None = None) -> set[str]:
        return set(self.token.get("permissions", ()))

    def has_perm(self, perm: str, obj: object | None = None) -> bool:
        return bool(self.is_superuser) or perm in self.token.get("permissions", ())

    def has_perms(self, perm_list: list[str], obj: object | None = None) -> bool:
        return all(self.has_perm(perm, obj) for perm in perm_list)


@dataclass(frozen=True)
class Identity:
    """The caller of a request. `quota` names its rate limit; `error` says why its credentials are invalid."""

    quota: str
    caller: Any = None
    credentials: Any = None
    error: Exception | None = None


def identify(request: HttpRequest) -> Identity:
    """Identifies the caller and stores the result on the request. Never raises."""
    found: Identity | None = getattr(request, "_identity", None)
    if found is None:
        found = request._identity = _identify(request)  # type: ignore[attr-defined]
    return found


def _identify(request: HttpRequest) -> Identity:
    try:
        return _by_key(request) or _by_token(request) or Identity(_address_of(request))
    except (APIException, Error) as error:
        return Identity(_address_of(request), error=error)


def _by_key(request: HttpRequest) -> Identity | None:
    scheme, _, text = get_authorization_header(request).partition(b" ")  # type: ignore[arg-type]
    if scheme.lower() != api_keys.SCHEME.lower().encode():
        return None
    known = api_keys.known(text.strip().decode("latin-1"))
    as_token: Any = known.user  # `Caller` reads both in the same way
    return Identity(f"key:{known.prefix}", Caller(as_token), known.prefix)


def _by_token(request: HttpRequest) -> Identity | None:
    """Caches valid tokens until they expire, because an access token cannot be revoked."""
    cache_key = sha256(get_authorization_header(request)).digest()  # type: ignore[arg-type]
    token = _cache.get(cache_key)
    if token is None or token["exp"] <= time.time():
        found: Any = _Bearer().authenticate(request)  # type: ignore[arg-type]
        if found is None:
            return None
        _, token = found
        if len(_cache) >= MAX_CACHED:
            _cache.clear()
        _cache[cache_key] = token
    caller = Caller(token)
    return Identity(f"user:{caller.id}", caller, token)


_cache: dict[bytes, Any] = {}


class _Bearer(JWTStatelessUserAuthentication):
    """Accepts the scheme in any case, as RFC 9110 demands."""

    def get_raw_token(self, header: bytes) -> bytes | None:
        scheme, *rest = header.split(maxsplit=1) or [b""]
        raw: bytes | None = super().get_raw_token(b" ".join((scheme.capitalize(), *rest)))
        return raw


def _address_of(request: HttpRequest) -> str:
    return f"address:{address_block(client_address(request))}"


class Authentication(BaseAuthentication):
    """Authenticates with an access token (`orderproject.accounts.auth`) or an API key (`.api_keys`)."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        identity = identify(request._request)
        if identity.error:
            raise identity.error
        return (identity.caller, identity.credentials) if identity.caller else None

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE
