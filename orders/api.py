"""Orders over HTTP. Accepting one is the hot path: one transaction, a constant number of statements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import msgspec
from django.db import DataError
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, HttpResponseNotModified
from django.urls import reverse
from django.utils.http import parse_etags
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import PermissionDenied
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from events import Refused
from events.context import caused_by, current_context
from orders import models, openapi
from orders import serializers as wire
from orders.filters import OrderFilters
from orders.idempotency import Answer, Once
from orders.selectors import history_of, payments_of, visible_to
from orders.services import StaleVersion, place, request_cancellation

encode = msgspec.json.Encoder().encode


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
            return once.answer(lambda: _accept(new, customer_id)).response()


def _accept(new: wire.NewOrder, customer_id: UUID) -> Answer:
    try:
        order = place(new.placement(customer_id))
    except DataError as error:  # prices are checked nowhere else: the column's size is the limit
        raise Refused("total-too-large", "The total is more than one order can come to: split it.") from error
    headers = {"Location": reverse("order", args=[order.id]), "ETag": wire.etag(order, None)}
    return Answer(201, headers, encode(wire.Order.of(order, None)))


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
