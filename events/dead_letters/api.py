"""REST views of dead letters, for operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from desk.actors import actor_of
from events.dead_letters import openapi, repair
from events.dead_letters import serializers as wire
from events.dead_letters.filters import DeadLetterFilters
from events.dead_letters.queries import dead_letters, delivery_id, with_last_error
from events.errors import Refused
from events.models import Delivery
from web.permissions import Holds
from web.typed import convert
from web.views import ApiList, ApiView

MAX_PER_REQUEST = 5_000
"""Deliveries that one request retries or discards at most."""


class DeadLetters(ApiList[Delivery]):
    permission_classes = (Holds,)
    needs = {"GET": "events.view_delivery"}
    queryset = Delivery.objects.none()  # only gives the API schema its model
    filterset_class = DeadLetterFilters
    many = True
    orderings: Mapping[str, tuple[str, ...]] = {"id": ("id",)}
    default_ordering = "-id"

    @extend_schema(**openapi.LIST)
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(dead_letters())) or []
        return self.get_paginated_response([wire.DeadLetter.of(delivery) for delivery in page])


class OneDeadLetter(ApiView):
    permission_classes = (Holds,)
    needs = {"GET": "events.view_delivery"}

    @extend_schema(**openapi.READ)
    def get(self, request: Request, letter: UUID) -> Response:
        return Response(wire.DeadLetterDetails.of(_delivery(letter)))


class DeadLetterGroups(ApiView):
    permission_classes = (Holds,)
    needs = {"GET": "events.view_delivery"}
    many = True

    @extend_schema(**openapi.GROUPS)
    def get(self, request: Request) -> Response:
        return Response([wire.DeadLetterGroup.of(grouped) for grouped in repair.groups()])


class RetryDeadLetters(ApiView):
    permission_classes = (Holds,)
    needs = {"POST": "events.retry_delivery"}

    @extend_schema(**openapi.RETRY)
    def post(self, request: Request) -> Response:
        asked = convert(request.data, wire.Retry)
        outcome = repair.retry(asked.chosen, actor=actor_of(request.user), dry_run=asked.dry_run, limit=MAX_PER_REQUEST)
        return Response(wire.RepairResult(outcome.done, outcome.left, asked.dry_run))


class DiscardDeadLetters(ApiView):
    permission_classes = (Holds,)
    needs = {"POST": "events.discard_delivery"}

    @extend_schema(**openapi.DISCARD)
    def post(self, request: Request) -> Response:
        asked = convert(request.data, wire.Discard)
        outcome = repair.discard(
            asked.chosen,
            actor=actor_of(request.user),
            reason=asked.reason or "",
            dry_run=asked.dry_run,
            limit=MAX_PER_REQUEST,
        )
        return Response(wire.RepairResult(outcome.done, outcome.left, asked.dry_run))


class EditDeadLetter(ApiView):
    permission_classes = (Holds,)
    needs = {"POST": "events.edit_delivery"}
    answers: ClassVar[Mapping[type[Exception], int]] = {Refused: 422}

    @extend_schema(**openapi.EDIT)
    def post(self, request: Request, letter: UUID) -> Response:
        asked = convert(request.data, wire.Edit)
        delivery = _delivery(letter)
        diff = repair.edit(
            delivery, asked.data, actor=actor_of(request.user), reason=asked.reason, dry_run=asked.dry_run
        )
        return Response(wire.Edited(diff, asked.dry_run))


def _delivery(letter: UUID) -> Any:
    """The delivery, even if it is no longer dead. Raises Http404."""
    id_ = delivery_id(letter)
    delivery = None if id_ is None else with_last_error(Delivery.objects.filter(id=id_)).first()
    if delivery is None:
        raise Http404("There is no such dead letter.")
    return delivery
