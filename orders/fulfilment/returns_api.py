"""The REST views of returns: customers request and read them; staff approve, reject and receive them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import msgspec
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, HttpResponseNotModified
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import PermissionDenied
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from desk import audit
from desk.actors import actor_of
from orders import models
from orders.api.filters import ReturnFilters
from orders.api.view_helpers import audit_staff, caller, expected_version, order_of
from orders.fulfilment import returns, returns_openapi
from orders.fulfilment import returns_wire as wire
from orders.fulfilment.api import answered_once, order_answer
from orders.placing.idempotency import Answer
from orders.selectors import returns_visible_to
from orders.services import StaleVersion
from web import etags
from web.typed import convert

encode = msgspec.json.Encoder().encode


class OrderReturns(APIView):
    @extend_schema(**returns_openapi.REQUEST)
    def post(self, request: Request, order_id: UUID) -> HttpResponse:
        new = wire.NewReturn.of(request.data)
        order = order_of(request, order_id)
        if order.customer_id != caller(request).id and not request.user.has_perm("orders.return_order"):
            raise PermissionDenied("You can see this order, but you do not have permission to return it.")

        def request_return() -> Answer:
            taken = returns.request_return(
                order.id, new.goods, reason=new.reason, expected_version=expected_version(request, order)
            )
            audit_staff(request, "return", order, reason=new.reason, taken=str(taken.id))
            return order_answer(202, taken.order, lambda now: wire.OrderReturn.of(taken, order=now))

        return answered_once(request, request_return)


class Returns(GenericAPIView[models.Return]):
    queryset: Any = models.Return.objects.none()  # the schema reads only its model
    filterset_class = ReturnFilters
    many = True
    orderings: Mapping[str, tuple[str, ...]] = {"createdAt": ("id",)}  # UUIDs of version 7 sort by time
    default_ordering = "-createdAt"

    @extend_schema(**returns_openapi.LIST)
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(_visible(request))) or []
        return self.get_paginated_response([wire.Return.of(taken) for taken in page])


class OneReturn(APIView):
    @extend_schema(**returns_openapi.READ)
    def get(self, request: Request, return_id: UUID) -> HttpResponse | Response:
        taken = _return_of(request, return_id)
        tag = wire.etag(taken)
        if etags.names(request.headers.get("If-None-Match", ""), tag, weak=True):
            return HttpResponseNotModified(headers={"ETag": tag})
        return Response(wire.Return.of(taken), headers={"ETag": tag})


class Approve(APIView):
    @extend_schema(**returns_openapi.APPROVE)
    def post(self, request: Request, return_id: UUID) -> HttpResponse:
        taken = _return_of(request, return_id)
        _require(request, "orders.approve_return", "approve")
        return _change(
            request, taken, "approve return", lambda status: returns.approve(taken.id, expected_status=status)
        )


class Reject(APIView):
    @extend_schema(**returns_openapi.REJECT)
    def post(self, request: Request, return_id: UUID) -> HttpResponse:
        rejection = convert(request.data, wire.Rejection)
        taken = _return_of(request, return_id)
        _require(request, "orders.approve_return", "reject")
        return _change(
            request, taken, "reject return",
            lambda status: returns.reject(taken.id, rejection.reason, expected_status=status), reason=rejection.reason,
        )  # fmt: skip


class Receive(APIView):
    @extend_schema(**returns_openapi.RECEIVE)
    def post(self, request: Request, return_id: UUID) -> HttpResponse:
        receipt = wire.Receipt.of(request.data)
        taken = _return_of(request, return_id)
        _require(request, "orders.receive_return", "receive")
        return _change(
            request, taken, "receive return",
            lambda status: returns.receive(
                taken.id, receipt.pieces, warehouse=receipt.warehouse, expected_status=status
            ),
            warehouse=receipt.warehouse,
        )  # fmt: skip


def _visible(request: Request) -> QuerySet[models.Return]:
    user = caller(request)
    return returns_visible_to(user.id, everything=user.has_perm("orders.view_order"))


def _return_of(request: Request, return_id: UUID) -> models.Return:
    taken = _visible(request).filter(id=return_id).first()
    if taken is None:
        raise Http404("There is no such return, or it belongs to another user.")
    return taken


def _require(request: Request, permission: str, verb: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied(f"You can see this return, but you do not have permission to {verb} it.")


def _change(
    request: Request,
    taken: models.Return,
    action: str,
    work: Callable[[str | None], models.Return],
    *,
    reason: str = "",
    **details: str,
) -> HttpResponse:
    """Runs `work` with the status to expect, writes the audit record, and answers with the return."""

    def change() -> Answer:
        changed = work(_expected_status(request, taken))
        names = {"return": str(taken.id), **details}
        audit.record(actor_of(caller(request)), action, "order", [taken.order_id], reason=reason, details=names)
        return Answer(202, {"ETag": wire.etag(changed)}, encode(wire.Return.of(changed)))

    return answered_once(request, change)


def _expected_status(request: Request, taken: models.Return) -> str | None:
    """The status to expect, from `If-Match`; None without one. Raises StaleVersion if the ETag does not match."""
    header = request.headers.get("If-Match")
    if header is None:
        return None
    if not etags.names(header, wire.etag(taken)):
        raise StaleVersion("This return has changed since you read it. Read it again, then retry.")
    return None if header.strip() == "*" else taken.status
