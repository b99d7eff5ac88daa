"""The log over HTTP, and what can be in it: for operators, and the schemas for everybody."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from events import log_openapi as openapi
from events import log_wire as wire
from events.asyncapi import asyncapi
from events.catalogue import installed
from events.log_filters import EventFilters
from events.models import StoredEvent
from events.permissions import Holds

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class Events(GenericAPIView[StoredEvent]):
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


class EventTypes(APIView):
    permission_classes = (Holds,)
    needs = {"GET": "events.view_storedevent"}
    many = True

    @extend_schema(**openapi.TYPES)
    def get(self, request: Request) -> Response:
        return Response([wire.EventType.of(event) for event in installed()])


class EventSchema(APIView):
    """Public: whoever gets an event from a stream or a webhook may check it, and it tells shapes alone."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(**openapi.SCHEMA)
    def get(self, request: Request, type: str, version: str) -> Response:
        for event in installed():
            if (event.type, event.version) == (type, version):
                place = request.build_absolute_uri(request.path)
                return Response({"$schema": DIALECT, "$id": place, **msgspec.json.schema(event)})
        raise Http404("No such event is declared.")


class AsyncApi(APIView):
    """Not public: it names brokers and subscribers."""

    permission_classes = (Holds,)
    needs = {"GET": "events.view_storedevent"}

    @extend_schema(**openapi.ASYNCAPI)
    def get(self, request: Request) -> Response:
        return Response(asyncapi())
