"""REST views of the log and its event types, for operators. Only the schemas are public."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from events.catalogue import openapi
from events.catalogue import serializers as wire
from events.catalogue.asyncapi import asyncapi
from events.catalogue.envelopes import DIALECT, envelope_schema
from events.catalogue.filters import EventFilters
from events.catalogue.markdown import installed
from events.catalogue.serializers import Declared
from events.models import StoredEvent
from web.permissions import Holds
from web.views import ApiList, ApiView


class Events(ApiList[StoredEvent]):
    permission_classes = (Holds,)
    needs = {"GET": "events.view_storedevent"}
    queryset = StoredEvent.objects.all()
    filterset_class = EventFilters
    many = True
    orderings: Mapping[str, tuple[str, ...]] = {"position": ("position",)}
    default_ordering = "-position"

    @extend_schema(**openapi.EVENTS)
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        return self.get_paginated_response([event.envelope() for event in page])


class EventTypes(ApiView):
    permission_classes = (Holds,)
    needs = {"GET": "events.view_storedevent"}
    many = True

    @extend_schema(**openapi.TYPES)
    def get(self, request: Request) -> Response:
        return Response([wire.EventType.of(event) for event in installed()])


class _PublicSchema(ApiView):
    """Public, so that receivers of streams and webhooks can validate events. A schema holds no data."""

    authentication_classes = ()
    permission_classes = ()

    def _answer(self, request: Request, schema: Mapping[str, Any]) -> Response:
        return Response({"$schema": DIALECT, "$id": request.build_absolute_uri(request.path), **schema})


class EventSchema(_PublicSchema):
    @extend_schema(**openapi.SCHEMA)
    def get(self, request: Request, type: str, version: str) -> Response:
        return self._answer(request, msgspec.json.schema(_declared(type, version)))


class EnvelopeSchema(_PublicSchema):
    @extend_schema(**openapi.ENVELOPE_SCHEMA)
    def get(self, request: Request, type: str, version: str) -> Response:
        return self._answer(request, envelope_schema(_declared(type, version)))


def _declared(type: str, version: str) -> Declared:
    """Raises Http404 if no installed application declares it."""
    for event in installed():
        if (event.type, event.version) == (type, version):
            return event
    raise Http404("There is no such event type in this version.")


class AsyncApi(ApiView):
    """Not public: it names brokers and subscribers."""

    permission_classes = (Holds,)
    needs = {"GET": "events.view_storedevent"}

    @extend_schema(**openapi.ASYNCAPI)
    def get(self, request: Request) -> Response:
        return Response(asyncapi())
