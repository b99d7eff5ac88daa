"""Orders over HTTP. Accepting one is the hot path: one transaction, a constant number of statements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import msgspec
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, HttpResponseNotModified
from django.utils.http import parse_etags
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from events.context import caused_by, current_context
from orders import models, openapi
from orders import serializers as wire
from orders.accepting import Entry, accept, accept_each
from orders.filters import OrderFilters
from orders.idempotency import Answer, Once
from orders.selectors import history_of, payments_of, visible_to
from orders.services import StaleVersion, request_cancellation

encode = msgspec.json.Encoder().encode
encode_sorted = msgspec.json.Encoder(order="sorted").encode


class Orders(GenericAPIView[models.Order]):
    queryset: Any = models.Order.objects.none()  # its type is all that the schema asks
    filterset_class = OrderFilters
    many = True
    orderings: Mapping[str, tuple[str, ...]] = {"createdAt": ("id",)}  # ids are UUIDs of version 7: in order of time
    default_ordering = "-createdAt"

    @extend_schema(**openapi.LIST)
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(_visible(request))) or []
        payments = payments_of([order.id for order in page])
        return self.get_paginated_response([wire.Order.of(order, payments.get(order.id)) for order in page])

    @extend_schema(**openapi.PLACE)
    def post(self, request: Request) -> HttpResponse:
        customer_id = _caller(request).id
        new = wire.NewOrder.of(request.data)
        once = Once.of(request._request, customer_id)
        with _acting(request):
            return once.answer(lambda: accept(new, customer_id)).response()


class BulkOrders(APIView):
    @extend_schema(**openapi.BULK)
    def post(self, request: Request) -> HttpResponse:
        """What is wrong with one order is told in its place; what is wrong with the call refuses all of it."""
        entries = [self._entry(request, entry) for entry in msgspec.convert(request.data, wire.AnyOrders).orders]
        with _acting(request):
            results = accept_each([entry for entry in entries if isinstance(entry, Entry)])
        outcomes = [entry if isinstance(entry, Exception) else results.pop(0) for entry in entries]
        body = {"results": [self._result(request, outcome) for outcome in outcomes]}
        return HttpResponse(encode(body), status=207, content_type="application/json")

    def _entry(self, request: Request, data: Any) -> Entry | Exception:
        try:
            new = wire.KeyedOrder.of(data)
        except (msgspec.ValidationError, ValidationError) as error:
            return error
        return Entry(
            Once.under(new.idempotency_key, _caller(request).id, f"POST {request.path}", encode_sorted(data)), new
        )

    def _result(self, request: Request, outcome: Answer | Exception) -> dict[str, Any]:
        if isinstance(outcome, Answer):
            return {"status": outcome.status, "order": msgspec.Raw(outcome.body)}
        problem = self.get_exception_handler()(outcome, {"request": request, "view": self})
        if problem is None:
            raise outcome
        return {"status": problem.status_code, "problem": msgspec.Raw(problem.content)}


class OneOrder(APIView):
    @extend_schema(**openapi.READ)
    def get(self, request: Request, order_id: UUID) -> HttpResponse | Response:
        order = _order(request, order_id)
        payment = payments_of([order.id]).get(order.id)
        tag = wire.etag(order, payment)
        if _names(request.headers.get("If-None-Match", ""), tag, weak=True):
            return HttpResponseNotModified(headers={"ETag": tag})
        return Response(wire.Order.of(order, payment), headers={"ETag": tag})


class Cancel(APIView):
    @extend_schema(**openapi.CANCEL)
    def post(self, request: Request, order_id: UUID) -> Response:
        cancellation = msgspec.convert(request.data, wire.Cancellation)
        order = _order(request, order_id)
        if order.customer_id != request.user.id and not request.user.has_perm("orders.cancel_order"):
            raise PermissionDenied("You may see this order, but not cancel it.")
        expected = _expected_version(request, order)
        with _acting(request):
            order = request_cancellation(order.id, reason=cancellation.reason, expected_version=expected)
        payment = payments_of([order.id]).get(order.id)
        return Response(wire.Order.of(order, payment), status=202, headers={"ETag": wire.etag(order, payment)})


class OrderEvents(APIView):
    many = True

    @extend_schema(**openapi.EVENTS)
    def get(self, request: Request, order_id: UUID) -> Response:
        order = _order(request, order_id)
        return Response([event.envelope() for event in history_of(order.id)])


def _caller(request: Request) -> Any:
    """A user as far as its access token knows it."""
    return request.user


def _visible(request: Request) -> QuerySet[models.Order]:
    user = _caller(request)
    return visible_to(user.id, everything=user.has_perm("orders.view_order"))


def _order(request: Request, order_id: UUID) -> models.Order:
    order = _visible(request).filter(id=order_id).first()
    if order is None:
        raise Http404("There is no such order, or it is another's.")
    return order


def _names(header: str, tag: str, *, weak: bool = False) -> bool:
    """Whether the list of entity tags in `header` names `tag`. If-Match compares strongly, If-None-Match weakly."""
    tags = parse_etags(header)
    return tags == ["*"] or tag in tags or (weak and f"W/{tag}" in tags)


def _expected_version(request: Request, order: models.Order) -> int | None:
    """Raises StaleVersion if the order is not what the caller has seen."""
    header = request.headers.get("If-Match")
    if header is None:
        return None
    if not _names(header, wire.etag(order, payments_of([order.id]).get(order.id))):
        raise StaleVersion(f"Order {order.number} has changed since you read it: read it again.")
    return None if header.strip() == "*" else order.version


@contextmanager
def _acting(request: Request) -> Iterator[None]:
    """Events name who caused them."""
    with caused_by(replace(current_context(), actor=request.user.get_username())):
        yield
