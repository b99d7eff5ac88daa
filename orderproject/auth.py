"""Logging in. An access token says all of its user, so that a request costs no query to find out who is calling."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from axes.handlers.proxy import AxesProxyHandler
from axes.helpers import get_cool_off
from django.apps import apps
from django.contrib.auth import authenticate
from django.contrib.auth.models import update_last_login
from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from events.typed import convert
from orderproject.models import User
from orderproject.paths import is_for_programs
from orderproject.problems import problem


def access_token(user: User) -> AccessToken:
    """With what the API has to know of the user. It cannot be revoked, so it lives for minutes only."""
    token = AccessToken.for_user(user)
    token["username"] = user.username
    token["is_staff"] = user.is_staff
    token["is_superuser"] = user.is_superuser
    token["permissions"] = [] if user.is_superuser else _permissions(user)
    return token


def _permissions(user: User) -> list[str]:
    """Only of our own services: a header has its limits."""
    ours = {config.label for config in apps.get_app_configs() if "." not in config.name}
    return sorted(name for name in user.get_all_permissions() if name.partition(".")[0] in ours)


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Name and password of a user."""

    username: Annotated[str, msgspec.Meta(min_length=1, max_length=150)]
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


class Refresh(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The refresh token of a log-in."""

    refresh: Annotated[str, msgspec.Meta(max_length=10_000)]


class Tokens(msgspec.Struct, frozen=True):
    """`access` goes with each request as `Authorization: Bearer …`; `refresh` gets another one when it has expired."""

    access: str
    refresh: str


class Access(msgspec.Struct, frozen=True):
    """A fresh access token, with the rights that the user has now."""

    access: str


class _Public(APIView):
    authentication_classes = ()
    permission_classes = ()

    def get_authenticate_header(self, request: Request) -> str:
        return JWTAuthentication().authenticate_header(request)


class TokenView(_Public):
    """Logging in."""

    @extend_schema(
        operation_id="login",
        tags=["auth"],
        auth=[],
        request=Login,
        responses={
            200: Tokens,
            401: OpenApiResponse(description="Wrong name or password."),
            429: OpenApiResponse(description="Too many failed attempts of this user from this address."),
        },
    )
    def post(self, request: Request) -> Response:
        login = convert(request.data, Login)
        # Django's request: axes marks it, and its middleware reads the mark.
        plain = request._request
        user = authenticate(plain, username=login.username, password=login.password)
        if not isinstance(user, User):
            raise AuthenticationFailed("Wrong name or password, or the user may not log in.")
        # Instead of the signal user_logged_in, whose receiver in axes would open a session.
        AxesProxyHandler.reset_attempts(username=login.username, ip_address=plain.axes_ip_address)  # type: ignore[attr-defined]
        update_last_login(User, user)
        return Response(Tokens(str(access_token(user)), str(RefreshToken.for_user(user))))


class TokenRefreshView(_Public):
    """Going on without the password."""

    @extend_schema(
        operation_id="refresh",
        tags=["auth"],
        auth=[],
        request=Refresh,
        responses={200: Access, 401: OpenApiResponse(description="The token has expired, or is none of ours.")},
    )
    def post(self, request: Request) -> Response:
        try:
            token: Any = RefreshToken(convert(request.data, Refresh).refresh)  # type: ignore[arg-type]
        except TokenError as error:
            raise AuthenticationFailed(str(error), "token-not-valid") from error
        user = User.objects.filter(id=token["user_id"], is_active=True).first()
        if user is None:
            raise AuthenticationFailed("The user may not log in any more.", "token-not-valid")
        return Response(Access(str(access_token(user))))


def locked_out(request: HttpRequest, response: HttpResponse | None = None, credentials: object = None) -> HttpResponse:
    """AXES_LOCKOUT_CALLABLE. Every further attempt begins the cool-off anew, so its whole length is the truth."""
    cool_off = get_cool_off(request)
    seconds = str(int(cool_off.total_seconds()))
    detail = f"Too many failed log-ins. Try again in {int(seconds) // 60} minutes."
    headers = {"Retry-After": seconds}
    if is_for_programs(request.path):
        return problem(request, 429, "too-many-attempts", detail, headers=headers)
    return HttpResponse(detail, status=429, content_type="text/plain", headers=headers)
