"""Orders over HTTP. Accepting one is the hot path: one transaction, a constant number of statements."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseNotModified
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from events import etags
from events.fold import NoSuchVersion
from events.live.response import EventStreamRenderer, opened
from events.live.selection import Everything, Kinds, OneStream, Owned, Selection
from events.typed import convert
from orders import models, openapi
from orders import serializers as wire
from orders.accepting import Entry, accept, accept_each
from orders.filters import OrderFilters
from orders.idempotency import Answer, Once
from orders.requests import acting, caller, expected_version, note_of_staff, order_of, visible
from orders.selectors import FOLLOWED, Past, as_it_was, history_of, payments_of
from orders.services import request_cancellation

AT_VERSION = re.compile(r"^[0-9]{1,9}$")
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
        page = self.paginate_queryset(self.filter_queryset(visible(request))) or []
        payments = payments_of([order.id for order in page])
        return self.get_paginated_response([wire.Order.of(order, payments.get(order.id)) for order in page])

    @extend_schema(**openapi.PLACE)
    def post(self, request: Request) -> HttpResponse:
        new = wire.NewOrder.of(request.data)
        once = Once.of(request._request, caller(request).id)
        with acting(request):
            return accept(new, once).response()


class BulkOrders(APIView):
    @extend_schema(**openapi.BULK)
    def post(self, request: Request) -> HttpResponse:
        """What is wrong with one order is told in its place; what is wrong with the call refuses all of it."""
        entries = [self._entry(request, entry) for entry in convert(request.data, wire.AnyOrders).orders]
        with acting(request):
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
            Once.under(new.idempotency_key, caller(request).id, f"POST {request.path}", encode_sorted(data)), new
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
        order = order_of(request, order_id)
        if "atVersion" in request.query_params:
            return Response(wire.Order.as_it_was(order, _past(request, order)))
        payment = payments_of([order.id]).get(order.id)
        tag = wire.etag(order, payment)
        if etags.names(request.headers.get("If-None-Match", ""), tag, weak=True):
            return HttpResponseNotModified(headers={"ETag": tag})
        return Response(wire.Order.of(order, payment), headers={"ETag": tag})


def _past(request: Request, order: models.Order) -> Past:
    version = request.query_params["atVersion"]
    if not AT_VERSION.match(version):
        raise ValidationError({"atVersion": ["A number from 1 to the order's version."]})
    try:
        return as_it_was(order, int(version))
    except NoSuchVersion as error:
        raise Http404(str(error)) from error


class Cancel(APIView):
    @extend_schema(**openapi.CANCEL)
    def post(self, request: Request, order_id: UUID) -> Response:
        cancellation = convert(request.data, wire.Cancellation)
        order = order_of(request, order_id)
        if order.customer_id != request.user.id and not request.user.has_perm("orders.cancel_order"):
            raise PermissionDenied("You may see this order, but not cancel it.")
        expected = expected_version(request, order)
        with acting(request), transaction.atomic():
            order = request_cancellation(order.id, reason=cancellation.reason, expected_version=expected)
            note_of_staff(request, "cancel", order, reason=cancellation.reason)
        payment = payments_of([order.id]).get(order.id)
        return Response(wire.Order.of(order, payment), status=202, headers={"ETag": wire.etag(order, payment)})


class OrderEvents(APIView):
    many = True

    @extend_schema(**openapi.EVENTS)
    def get(self, request: Request, order_id: UUID) -> Response:
        order = order_of(request, order_id)
        return Response([event.envelope() for event in history_of(order.id)])


class OrderStream(APIView):
    renderer_classes = (EventStreamRenderer, *APIView.renderer_classes)

    @extend_schema(**openapi.ORDER_STREAM)
    def get(self, request: Request, order_id: UUID) -> HttpResponse:
        return opened(request, OneStream(f"order:{order_of(request, order_id).id}"))


class Stream(APIView):
    renderer_classes = (EventStreamRenderer, *APIView.renderer_classes)

    @extend_schema(**openapi.STREAM)
    def get(self, request: Request) -> HttpResponse:
        return opened(request, _all_that_may_be_seen(caller(request)))


def _all_that_may_be_seen(user: Any) -> Selection:
    if user.has_perm("events.view_storedevent"):
        return Everything()
    return Kinds(FOLLOWED) if user.has_perm("orders.view_order") else Owned(user.id)
