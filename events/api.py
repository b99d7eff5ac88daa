"""Dead letters over HTTP, for operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from events import openapi, repair
from events import serializers as wire
from events.dead_letters import dead_letters, delivery_id, with_last_error
from events.filters import DeadLetterFilters
from events.models import Delivery
from events.permissions import Holds
from events.typed import convert

AT_ONCE = 5_000
"""Of one group, by one request."""


class DeadLetters(GenericAPIView[Delivery]):
    permission_classes = (Holds,)
    needs = {"GET": "events.view_delivery"}
    queryset = Delivery.objects.none()  # its type is all that the schema asks
    filterset_class = DeadLetterFilters
    many = True
    orderings: Mapping[str, tuple[str, ...]] = {"id": ("id",)}
    default_ordering = "-id"

    @extend_schema(**openapi.LIST)
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(dead_letters())) or []
        return self.get_paginated_response([wire.DeadLetter.of(delivery) for delivery in page])


class OneDeadLetter(APIView):
    permission_classes = (Holds,)
    needs = {"GET": "events.view_delivery"}

    @extend_schema(**openapi.READ)
    def get(self, request: Request, letter: UUID) -> Response:
        return Response(wire.DeadLetterDetails.of(_delivery(letter)))


class DeadLetterGroups(APIView):
    permission_classes = (Holds,)
    needs = {"GET": "events.view_delivery"}
    many = True

    @extend_schema(**openapi.GROUPS)
    def get(self, request: Request) -> Response:
        return Response([wire.DeadLetterGroup.of(grouped) for grouped in repair.groups()])


class RetryDeadLetters(APIView):
    permission_classes = (Holds,)
    needs = {"POST": "events.retry_delivery"}

    @extend_schema(**openapi.RETRY)
    def post(self, request: Request) -> Response:
        asked = convert(request.data, wire.Retry)
        outcome = repair.retry(asked.chosen, actor=_actor(request), dry_run=asked.dry_run, limit=AT_ONCE)
        return Response(wire.Worked(outcome.done, outcome.left, asked.dry_run))


class DiscardDeadLetters(APIView):
    permission_classes = (Holds,)
    needs = {"POST": "events.discard_delivery"}

    @extend_schema(**openapi.DISCARD)
    def post(self, request: Request) -> Response:
        asked = convert(request.data, wire.Discard)
        outcome = repair.discard(
            asked.chosen, actor=_actor(request), reason=asked.reason or "", dry_run=asked.dry_run, limit=AT_ONCE
        )
        return Response(wire.Worked(outcome.done, outcome.left, asked.dry_run))


class EditDeadLetter(APIView):
    permission_classes = (Holds,)
    needs = {"POST": "events.edit_delivery"}

    @extend_schema(**openapi.EDIT)
    def post(self, request: Request, letter: UUID) -> Response:
        asked = convert(request.data, wire.Edit)
        delivery = _delivery(letter)
        diff = repair.edit(delivery, asked.data, actor=_actor(request), reason=asked.reason, dry_run=asked.dry_run)
        return Response(wire.Edited(diff, asked.dry_run))


def _delivery(letter: UUID) -> Any:
    """Also one that was dead and is not any more."""
    id_ = delivery_id(letter)
    delivery = None if id_ is None else with_last_error(Delivery.objects.filter(id=id_)).first()
    if delivery is None:
        raise Http404("There is no such dead letter.")
    return delivery


def _actor(request: Request) -> str:
    name: str = request.user.get_username()
    return name
