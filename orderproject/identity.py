"""Who sends a request, found out once: for the rate limit, and then for the view."""

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

from orderproject import api_keys
from orderproject.addresses import client_address, neighbourhood

REMEMBERED = 10_000
"""Access tokens that a process keeps in mind; beyond that it starts anew."""
CHALLENGE = 'Bearer realm="api", Api-Key realm="api"'


class Caller(TokenUser):
    """The user as an access token, or the row of an API key, describes it; permissions work as on any Django user."""

    @cached_property
    def id(self) -> UUID:  # type: ignore[override]  # as on the User itself
        return UUID(self.token["user_id"])

    def get_all_permissions(self, obj: object | None = None) -> set[str]:
        return set(self.token.get("permissions", ()))

    def has_perm(self, perm: str, obj: object | None = None) -> bool:
        return bool(self.is_superuser) or perm in self.token.get("permissions", ())

    def has_perms(self, perm_list: list[str], obj: object | None = None) -> bool:
        return all(self.has_perm(perm, obj) for perm in perm_list)


@dataclass(frozen=True)
class Identity:
    """`quota` names those whose requests count together; `error` is why the credentials that came are not good."""

    quota: str
    caller: Any = None
    credentials: Any = None
    error: Exception | None = None


def identify(request: HttpRequest) -> Identity:
    """Never raises, and costs nothing the second time."""
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
    as_token: Any = known.user  # it is read the same way
    return Identity(f"key:{known.prefix}", Caller(as_token), known.prefix)


def _by_token(request: HttpRequest) -> Identity | None:
    """A token that was good stays so until it expires: nothing but time can end it."""
    remembered = sha256(get_authorization_header(request)).digest()  # type: ignore[arg-type]
    token = _believed.get(remembered)
    if token is None or token["exp"] <= time.time():
        found: Any = JWTStatelessUserAuthentication().authenticate(request)  # type: ignore[arg-type]
        if found is None:
            return None
        _, token = found
        if len(_believed) >= REMEMBERED:
            _believed.clear()
        _believed[remembered] = token
    caller = Caller(token)
    return Identity(f"user:{caller.id}", caller, token)


_believed: dict[bytes, Any] = {}


def _address_of(request: HttpRequest) -> str:
    return f"address:{neighbourhood(client_address(request))}"


class Authentication(BaseAuthentication):
    """An access token or an API key; see `orderproject.auth` and `orderproject.api_keys`."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        identity = identify(request._request)
        if identity.error:
            raise identity.error
        return (identity.caller, identity.credentials) if identity.caller else None

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE
