"""Shipping, delivering and returning over HTTP. A key is optional: a retry under one acts once."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import msgspec
from django.db import transaction
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.views import APIView

from orders import fulfilment, models, openapi
from orders import serializers as wire
from orders.idempotency import Answer, Once
from orders.requests import acting, caller, expected_version, note_of_staff, order_of
from orders.selectors import payments_of

encode = msgspec.json.Encoder().encode


class Shipments(APIView):
    @extend_schema(**openapi.SHIP)
    def post(self, request: Request, order_id: UUID) -> HttpResponse:
        new = wire.NewShipment.of(request.data)
        order = order_of(request, order_id)
        if not request.user.has_perm("orders.ship_order"):
            raise PermissionDenied("You may see this order, but not ship it.")

        def ship() -> Answer:
            shipment = fulfilment.ship(
                order.id, new.goods, carrier=new.carrier, tracking_number=new.tracking_number,
                expected_version=expected_version(request, order),
            )  # fmt: skip
            note_of_staff(request, "ship", order, shipment=str(shipment.id))
            return _answer(201, shipment.order, lambda now: wire.Shipment.of(shipment, new.goods, now))

        return _once(request, ship)


class Deliver(APIView):
    @extend_schema(**openapi.DELIVER)
    def post(self, request: Request, order_id: UUID) -> HttpResponse:
        order = order_of(request, order_id)
        if not request.user.has_perm("orders.deliver_order"):
            raise PermissionDenied("You may see this order, but not tell that it was delivered.")

        def deliver() -> Answer:
            delivered = fulfilment.deliver(order.id, expected_version=expected_version(request, order))
            note_of_staff(request, "deliver", order)
            return _answer(200, delivered, lambda now: now)

        return _once(request, deliver)


class Returns(APIView):
    @extend_schema(**openapi.RETURN)
    def post(self, request: Request, order_id: UUID) -> HttpResponse:
        new = wire.NewReturn.of(request.data)
        order = order_of(request, order_id)
        if order.customer_id != caller(request).id and not request.user.has_perm("orders.return_order"):
            raise PermissionDenied("You may see this order, but not return it.")

        def take_back() -> Answer:
            taken = fulfilment.take_back(
                order.id, new.goods, reason=new.reason, expected_version=expected_version(request, order)
            )
            note_of_staff(request, "return", order, reason=new.reason, taken=str(taken.id))
            return _answer(202, taken.order, lambda now: wire.Return.of(taken, new.goods, now))

        return _once(request, take_back)


def _once(request: Request, work: Callable[[], Answer]) -> HttpResponse:
    once = Once.if_asked(request._request, caller(request).id)
    with acting(request):
        if once:
            return once.answer(work).response()
        with transaction.atomic():
            return work().response()


def _answer(status: int, order: models.Order, body: Callable[[wire.Order], msgspec.Struct]) -> Answer:
    payment = payments_of([order.id]).get(order.id)
    now = wire.Order.of(order, payment)
    return Answer(status, {"ETag": wire.etag(order, payment)}, encode(body(now)))
