"""Log-in. An access token contains all claims about its user, so that authenticating a request needs no query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from axes.handlers.proxy import AxesProxyHandler
from axes.helpers import get_cool_off
from django.apps import apps
from django.contrib.auth import authenticate
from django.contrib.auth.models import update_last_login
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from orderproject.api.paths import is_for_programs
from orderproject.api.problems import problem
from orderproject.models import User
from orderproject.pages.errors import error_page
from web.typed import convert

MAX_NAME = 150
"""The maximum length of a user name."""
SESSION = "session"
"""The claim of a refresh token that changes with the password, as in Django's sessions."""
NOT_VALID = "token-not-valid"


def access_token(user: User) -> AccessToken:
    """A token with the user's name and permissions. It cannot be revoked, so it is valid for minutes only.

    What its user has lost since works at most that much longer: docs/operations/access.md.
    """
    token = AccessToken.for_user(user)
    token["username"] = user.username
    token["is_staff"] = user.is_staff
    token["is_superuser"] = user.is_superuser
    token["permissions"] = [] if user.is_superuser else _permissions(user)
    return token


def refresh_token(user: User) -> RefreshToken:
    """A token for new access tokens. It ends with the user's password."""
    token = RefreshToken.for_user(user)
    token[SESSION] = user.get_session_auth_hash()
    return token


def _user_of(token: RefreshToken) -> User:
    """Raises AuthenticationFailed if the user is gone or inactive, or has changed the password since the log-in."""
    user = User.objects.filter(id=token["user_id"], is_active=True).first()
    if user is None:
        raise AuthenticationFailed("The user no longer exists or is inactive.", NOT_VALID)
    if not constant_time_compare(token.get(SESSION, ""), user.get_session_auth_hash()):
        raise AuthenticationFailed("The password was changed after this log-in. Log in again.", NOT_VALID)
    return user


def _permissions(user: User) -> list[str]:
    """The permissions on the project's own apps only, because the size of a header is limited."""
    ours = {config.label for config in apps.get_app_configs() if "." not in config.name}
    return sorted(name for name in user.get_all_permissions() if name.partition(".")[0] in ours)


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The name and password of a user."""

    username: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME)]
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


class Refresh(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The refresh token of a log-in."""

    refresh: Annotated[str, msgspec.Meta(max_length=10_000)]


class Tokens(msgspec.Struct, frozen=True):
    """Send `access` with each request as `Authorization: Bearer …`. When it expires, get a new one with `refresh`."""

    access: str
    refresh: str


class Access(msgspec.Struct, frozen=True):
    """A new access token with the user's current permissions."""

    access: str


class _Public(APIView):
    authentication_classes = ()
    permission_classes = ()

    def get_authenticate_header(self, request: Request) -> str:
        return JWTAuthentication().authenticate_header(request)


class TokenView(_Public):
    """Exchanges a name and a password for tokens."""

    @extend_schema(
        operation_id="login",
        tags=["auth"],
        auth=[],
        request=Login,
        responses={
            200: Tokens,
            401: OpenApiResponse(description="The name or password is wrong, or the user is inactive."),
            429: OpenApiResponse(description="Too many failed attempts for this user from this address."),
        },
    )
    def post(self, request: Request) -> Response:
        login = convert(request.data, Login)
        # axes needs Django's request: it sets a mark that its middleware reads.
        plain = request._request
        user = authenticate(plain, username=login.username, password=login.password)
        if not isinstance(user, User):
            raise AuthenticationFailed("The name or password is wrong, or the user is inactive.")
        # Replaces the signal user_logged_in, because the receiver of axes would create a session.
        AxesProxyHandler.reset_attempts(username=login.username, ip_address=plain.axes_ip_address)  # type: ignore[attr-defined]
        update_last_login(User, user)
        return Response(Tokens(str(access_token(user)), str(refresh_token(user))))


class TokenRefreshView(_Public):
    """Exchanges a refresh token for a new access token."""

    @extend_schema(
        operation_id="refresh",
        tags=["auth"],
        auth=[],
        request=Refresh,
        responses={200: Access, 401: OpenApiResponse(description="The refresh token is invalid or has expired.")},
    )
    def post(self, request: Request) -> Response:
        try:
            token: Any = RefreshToken(convert(request.data, Refresh).refresh)  # type: ignore[arg-type]
        except TokenError as error:
            raise AuthenticationFailed(str(error), NOT_VALID) from error
        return Response(Access(str(access_token(_user_of(token)))))


def name_of_attempt(request: HttpRequest, credentials: Mapping[str, Any] | None = None) -> str:
    """The AXES_USERNAME_CALLABLE: the name, cut to the length of a user name, because its tables hold no more."""
    given = credentials if credentials else request.POST
    return str(given.get("username") or "")[:MAX_NAME]


def locked_out(request: HttpRequest, response: HttpResponse | None = None, credentials: object = None) -> HttpResponse:
    """The AXES_LOCKOUT_CALLABLE. Each attempt restarts the cool-off, so Retry-After is its whole length."""
    cool_off = get_cool_off(request)
    seconds = str(int(cool_off.total_seconds()))
    detail = f"Too many failed log-ins. Try again in {int(seconds) // 60} minutes."
    headers = {"Retry-After": seconds}
    if is_for_programs(request.path):
        return problem(request, 429, "too-many-attempts", detail, headers=headers)
    return error_page(request, 429, detail, headers=headers)
