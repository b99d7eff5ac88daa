"""The REST views that cancel, ship, deliver and refund orders. The idempotency key is optional here."""

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

from desk import audit
from desk.actors import actor_of
from events.log.context import acting
from orders import models
from orders.api import openapi
from orders.api import serializers as wire
from orders.api.view_helpers import audit_staff, caller, expected_version, order_of
from orders.fulfilment import service
from orders.placing.idempotency import Answer, Once
from orders.selectors import payments_of
from orders.services import request_cancellation

encode = msgspec.json.Encoder().encode


class Cancel(APIView):
    @extend_schema(**openapi.CANCEL)
    def post(self, request: Request, order_id: UUID) -> HttpResponse:
        asked = wire.Cancellation.of(request.data)
        order = order_of(request, order_id)
        if order.customer_id != caller(request).id and not request.user.has_perm("orders.cancel_order"):
            raise PermissionDenied("You can see this order, but you do not have permission to cancel it.")

        def cancel() -> Answer:
            cancelled = request_cancellation(
                order.id, reason=asked.reason, items=asked.goods, expected_version=expected_version(request, order)
            )
            part = {"cancellation": str(cancelled.part.id)} if cancelled.part else {}
            audit_staff(request, "cancel", order, reason=asked.reason, **part)
            return order_answer(202, cancelled.order, lambda now: now)

        return answered_once(request, cancel)


class Shipments(APIView):
    @extend_schema(**openapi.SHIP)
    def post(self, request: Request, order_id: UUID) -> HttpResponse:
        new = wire.NewShipment.of(request.data)
        order = order_of(request, order_id)
        if not request.user.has_perm("orders.ship_order"):
            raise PermissionDenied("You can see this order, but you do not have permission to ship it.")

        def ship() -> Answer:
            shipment = service.ship(
                order.id, new.goods, carrier=new.carrier, tracking_number=new.tracking_number,
                expected_version=expected_version(request, order),
            )  # fmt: skip
            audit_staff(request, "ship", order, shipment=str(shipment.id))
            return order_answer(201, shipment.order, lambda now: wire.Shipment.of(shipment, new.goods, now))

        return answered_once(request, ship)


class Deliver(APIView):
    @extend_schema(**openapi.DELIVER)
    def post(self, request: Request, order_id: UUID) -> HttpResponse:
        order = order_of(request, order_id)
        if not request.user.has_perm("orders.deliver_order"):
            raise PermissionDenied("You can see this order, but you do not have permission to mark it as delivered.")

        def deliver() -> Answer:
            delivered = service.deliver(order.id, expected_version=expected_version(request, order))
            audit_staff(request, "deliver", order)
            return order_answer(200, delivered, lambda now: now)

        return answered_once(request, deliver)


class Refunds(APIView):
    @extend_schema(**openapi.REFUND)
    def post(self, request: Request, order_id: UUID) -> HttpResponse:
        new = wire.NewRefund.of(request.data)
        order = order_of(request, order_id)
        if not request.user.has_perm("orders.refund_order"):
            raise PermissionDenied("You can see this order, but you do not have permission to refund it.")

        def refund() -> Answer:
            refund = service.request_refund(
                order.id, new.amount.money, reason=new.reason, expected_version=expected_version(request, order)
            )
            details = {"amount": str(new.amount.money), "refund": str(refund.id)}
            audit.record(actor_of(caller(request)), "refund", "order", [order.id], reason=new.reason, details=details)
            return order_answer(202, refund.order, lambda now: wire.Refund.of(refund, now))

        return answered_once(request, refund)


def answered_once(request: Request, work: Callable[[], Answer]) -> HttpResponse:
    """Runs `work` in a transaction; once for each idempotency key, if the request has one."""
    once = Once.if_asked(request._request, caller(request).id)
    with acting(actor_of(request.user)):
        if once:
            return once.answer(work).response()
        with transaction.atomic():
            return work().response()


def order_answer(status: int, order: models.Order, body: Callable[[wire.Order], msgspec.Struct]) -> Answer:
    """An answer with the order's ETag; `body` gets the order's JSON type."""
    payment = payments_of([order.id]).get(order.id)
    now = wire.Order.of(order, payment)
    return Answer(status, {"ETag": wire.etag(order, payment)}, encode(body(now)))
