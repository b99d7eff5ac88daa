"""The REST view that forgets a customer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar
from uuid import UUID

import msgspec
from django.http import Http404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from desk.actors import actor_of
from desk.one_line import OneLine
from orderproject.accounts.forgetting import StillOpen, forget, may_forget
from orderproject.models import User
from web.permissions import Holds
from web.typed import convert
from web.views import ApiView


class Forgetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Why the customer is forgotten. The reason stays in the audit: do not name the customer in it."""

    reason: Annotated[OneLine, msgspec.Meta(min_length=1, max_length=500, examples=["asked for it on 15 January"])]
    dry_run: bool = False


class ForgottenCustomer(msgspec.Struct, frozen=True, rename="camel"):
    """How many of what was erased, or would be in a dry run."""

    customer: UUID
    erased: Mapping[str, int]
    dry_run: bool


class Forget(ApiView):
    """Erases all personal data of a customer."""

    permission_classes = (Holds,)
    needs = {"POST": "orderproject.forget_user"}
    answers: ClassVar[Mapping[type[Exception], int]] = {StillOpen: 409}

    @extend_schema(
        operation_id="forgetCustomer",
        tags=["customers"],
        summary="Erase all personal data of a customer",
        description="Letters, addresses, e-mails, tokens, log-ins and webhooks go, and the account is closed. Orders,"
        " money and the event log stay, without a name. It cannot be undone. With `dryRun`, nothing changes.",
        request=Forgetting,
        responses={
            200: ForgottenCustomer,
            403: OpenApiResponse(description="Only superusers can forget staff."),
            404: OpenApiResponse(description="There is no such customer."),
            409: OpenApiResponse(description="`still-open`: orders or sagas still need the data. `detail` names them."),
        },
    )
    def post(self, request: Request, customer_id: UUID) -> Response:
        asked = convert(request.data, Forgetting)
        customer = User.objects.filter(pk=customer_id).first()
        if customer is None:
            raise Http404("There is no such customer.")
        if not may_forget(request.user, customer):
            raise PermissionDenied("Only a superuser can forget a member of staff.")
        done = forget(customer_id, actor=actor_of(request.user), reason=asked.reason, dry_run=asked.dry_run)
        return Response(ForgottenCustomer(done.user, done.erased, done.dry_run))
