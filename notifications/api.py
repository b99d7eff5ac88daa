"""The REST views for webhooks. Each user sees only its own webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import Http404
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from desk.actors import actor_of
from notifications import models, openapi
from notifications import serializers as wire
from notifications.filters import WebhookDeliveryFilters, WebhookFilters
from notifications.selectors import deliveries_of, webhooks_of
from notifications.webhooks import endpoints
from web.typed import convert


class Webhooks(GenericAPIView[models.Webhook]):
    queryset = models.Webhook.objects.none()  # the schema reads only its model
    filterset_class = WebhookFilters
    many = True
    orderings: Mapping[str, tuple[str, ...]] = {"createdAt": ("id",)}  # UUIDs of version 7 sort by time
    default_ordering = "-createdAt"

    @extend_schema(**openapi.LIST)
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(webhooks_of(_caller(request).id))) or []
        return self.get_paginated_response([wire.Webhook.of(webhook) for webhook in page])

    @extend_schema(**openapi.CREATE)
    def post(self, request: Request) -> Response:
        new = convert(request.data, wire.NewWebhook)
        everything = _may_receive_all_orders(request)
        new.check(everything=everything)
        try:
            webhook, secret = endpoints.create(
                _caller(request).id,
                url=new.url,
                event_types=new.event_types,
                description=new.description,
                everything=everything,
                ordered=new.ordered,
            )
        except endpoints.NoSuchWebhook as error:
            raise Http404("Your user account no longer exists or is inactive.") from error
        location = reverse("webhook", args=[webhook.id])
        return Response(wire.WebhookWithSecret.showing(webhook, secret), status=201, headers={"Location": location})


class OneWebhook(APIView):
    @extend_schema(**openapi.READ)
    def get(self, request: Request, webhook_id: UUID) -> Response:
        return Response(wire.Webhook.of(_webhook(request, webhook_id)))

    @extend_schema(**openapi.CHANGE)
    def patch(self, request: Request, webhook_id: UUID) -> Response:
        change = convert(request.data, wire.WebhookChange)
        webhook = _webhook(request, webhook_id)
        everything = _may_receive_all_orders(request)
        change.check(everything=everything)
        return Response(wire.Webhook.of(endpoints.change(webhook.id, everything=everything, **change.fields)))

    @extend_schema(**openapi.DELETE)
    def delete(self, request: Request, webhook_id: UUID) -> Response:
        endpoints.delete(_webhook(request, webhook_id).id)
        return Response(status=204)


class RotateSecret(APIView):
    @extend_schema(**openapi.ROTATE)
    def post(self, request: Request, webhook_id: UUID) -> Response:
        webhook, secret = endpoints.rotate_secret(_webhook(request, webhook_id).id)
        return Response(wire.WebhookWithSecret.showing(webhook, secret))


class TestWebhook(APIView):
    @extend_schema(**openapi.TEST)
    def post(self, request: Request, webhook_id: UUID) -> Response:
        delivery = endpoints.test(_webhook(request, webhook_id).id)
        return Response(wire.WebhookDelivery.of(delivery), status=202)


class WebhookDeliveries(GenericAPIView[models.WebhookDelivery]):
    queryset = models.WebhookDelivery.objects.none()  # the schema reads only its model
    filterset_class = WebhookDeliveryFilters
    many = True
    orderings: Mapping[str, tuple[str, ...]] = {"createdAt": ("event_id",)}  # the unique index has this order
    default_ordering = "-createdAt"

    @extend_schema(**openapi.DELIVERIES)
    def get(self, request: Request, webhook_id: UUID) -> Response:
        webhook = _webhook(request, webhook_id)
        page = self.paginate_queryset(self.filter_queryset(deliveries_of(webhook))) or []
        return self.get_paginated_response([wire.WebhookDelivery.of(delivery) for delivery in page])


class Redeliver(APIView):
    @extend_schema(**openapi.REDELIVER)
    def post(self, request: Request, webhook_id: UUID, delivery_id: UUID) -> Response:
        deliveries = deliveries_of(_webhook(request, webhook_id))
        delivery = deliveries.select_related("webhook").filter(id=delivery_id).first()
        if delivery is None:
            raise Http404("There is no such delivery, or it was deleted because of its age.")
        endpoints.redeliver(delivery)
        return Response(wire.WebhookDelivery.of(deliveries.get(id=delivery_id)), status=202)


class SkipDelivery(APIView):
    @extend_schema(**openapi.SKIP)
    def post(self, request: Request, webhook_id: UUID, delivery_id: UUID) -> Response:
        deliveries = deliveries_of(_webhook(request, webhook_id))
        skip = convert(request.data, wire.SkippedDelivery)
        delivery = deliveries.filter(id=delivery_id).first()
        if delivery is None:
            raise Http404("There is no such delivery, or it was deleted because of its age.")
        endpoints.skip(delivery, actor=actor_of(request.user), reason=skip.reason)
        return Response(wire.WebhookDelivery.of(deliveries.get(id=delivery_id)))


def _caller(request: Request) -> Any:
    """The authenticated user, built from its credentials without a query."""
    return request.user


def _may_receive_all_orders(request: Request) -> bool:
    return bool(request.user.has_perm("notifications.hear_all_orders"))


def _webhook(request: Request, webhook_id: UUID) -> models.Webhook:
    webhook = webhooks_of(_caller(request).id).filter(id=webhook_id).first()
    if webhook is None:
        raise Http404("There is no such webhook, or it belongs to another user.")
    return webhook
