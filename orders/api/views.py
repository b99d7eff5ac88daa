"""The REST views for orders. Accepting an order is the hot path: one transaction, a constant number of statements."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
import structlog
from django.http import Http404, HttpResponse, HttpResponseNotModified
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from desk.actors import actor_of
from events.live.response import EventStreamRenderer, opened
from events.live.selection import Everything, Kinds, OneStream, Owned, Selection
from events.log.context import acting
from events.log.fold import NoSuchVersion
from orders import models
from orders.api import openapi
from orders.api import serializers as wire
from orders.api.filters import OrderFilters
from orders.api.view_helpers import caller, order_of, visible
from orders.placing.accepting import Entry, accept, accept_each
from orders.placing.idempotency import Answer, Once
from orders.selectors import FOLLOWED, OrderAtVersion, as_it_was, history_of, payments_of
from web import etags
from web.filters import ONCE
from web.typed import convert

AT_VERSION = re.compile(r"^[0-9]{1,9}$")
log = structlog.get_logger(__name__)
encode = msgspec.json.Encoder().encode
encode_sorted = msgspec.json.Encoder(order="sorted").encode


class Orders(GenericAPIView[models.Order]):
    queryset: Any = models.Order.objects.none()  # the schema reads only its model
    filterset_class = OrderFilters
    many = True
    orderings: Mapping[str, tuple[str, ...]] = {"createdAt": ("id",)}  # UUIDs of version 7 sort by time
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
        with acting(actor_of(request.user)):
            return accept(new, once).response()


class BulkOrders(APIView):
    @extend_schema(**openapi.BULK)
    def post(self, request: Request) -> HttpResponse:
        """Reports an invalid order in its own result. An invalid request body refuses the whole call."""
        entries = [self._entry(request, entry) for entry in convert(request.data, wire.AnyOrders).orders]
        with acting(actor_of(request.user)):
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
            log.error("order of a bulk request failed", exc_info=outcome)
            return {"status": 500, "problem": wire.BulkProblem.unexpected(request.path)}
        return {"status": problem.status_code, "problem": msgspec.Raw(problem.content)}


class OneOrder(APIView):
    @extend_schema(**openapi.READ)
    def get(self, request: Request, order_id: UUID) -> HttpResponse | Response:
        order = order_of(request, order_id)
        if "atVersion" in request.query_params:
            return Response(wire.Order.as_it_was(order, _at_requested_version(request, order)))
        payment = payments_of([order.id]).get(order.id)
        tag = wire.etag(order, payment)
        if etags.names(request.headers.get("If-None-Match", ""), tag, weak=True):
            return HttpResponseNotModified(headers={"ETag": tag})
        return Response(wire.Order.of(order, payment), headers={"ETag": tag})


def _at_requested_version(request: Request, order: models.Order) -> OrderAtVersion:
    version = request.query_params["atVersion"]
    if len(request.query_params.getlist("atVersion")) > 1:
        raise ValidationError({"atVersion": [ONCE]})
    if not AT_VERSION.match(version):
        raise ValidationError({"atVersion": ["Send a whole number from 1 to the order's current version."]})
    try:
        return as_it_was(order, int(version))
    except NoSuchVersion as error:
        raise Http404(str(error)) from error


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
        return opened(request, _visible_events(caller(request)))


def _visible_events(user: Any) -> Selection:
    if user.has_perm("events.view_storedevent"):
        return Everything()
    return Kinds(FOLLOWED) if user.has_perm("orders.view_order") else Owned(user.id)
