"""REST views of saga runs, for operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from desk.actors import actor_of
from sagas.models import SagaRun
from sagas.operations import openapi, repair
from sagas.operations import serializers as wire
from sagas.operations.filters import SagaFilters
from web.permissions import Holds
from web.typed import convert
from web.views import ApiList, ApiView


class Sagas(ApiList[SagaRun]):
    permission_classes = (Holds,)
    needs = {"GET": "sagas.view_sagarun"}
    queryset = SagaRun.objects.none()  # only gives the API schema its model
    filterset_class = SagaFilters
    many = True
    orderings: Mapping[str, tuple[str, ...]] = {"startedAt": ("id",)}  # ids are UUIDs of version 7, which sort by time
    default_ordering = "-startedAt"

    @extend_schema(**openapi.LIST)
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(self.filter_queryset(SagaRun.objects.all())) or []
        return self.get_paginated_response([wire.SagaRun.of(run) for run in page])


class OneSaga(ApiView):
    permission_classes = (Holds,)
    needs = {"GET": "sagas.view_sagarun"}

    @extend_schema(**openapi.READ)
    def get(self, request: Request, run_id: UUID) -> Response:
        return Response(wire.SagaDetails.of(_run(run_id)))


class _Repair(ApiView):
    permission_classes = (Holds,)
    needs = {"POST": "sagas.repair_saga"}
    answers: ClassVar[Mapping[type[Exception], int]] = {repair.NotRepairable: 409}

    def repaired(self, run_id: UUID) -> Response:
        return Response(wire.SagaDetails.of(_run(run_id)), status=202)


class RetrySaga(_Repair):
    @extend_schema(**openapi.RETRY)
    def post(self, request: Request, run_id: UUID) -> Response:
        because = convert(request.data, wire.ReasonBody)
        repair.retry(_run(run_id).id, actor=actor_of(request.user), reason=because.reason or "")
        return self.repaired(run_id)


class SkipStep(_Repair):
    @extend_schema(**openapi.SKIP)
    def post(self, request: Request, run_id: UUID) -> Response:
        asked = convert(request.data, wire.Skip)
        repair.skip(_run(run_id).id, asked.step, actor=actor_of(request.user), reason=asked.reason)
        return self.repaired(run_id)


class CompensateSaga(_Repair):
    @extend_schema(**openapi.COMPENSATE)
    def post(self, request: Request, run_id: UUID) -> Response:
        because = convert(request.data, wire.ReasonBody)
        repair.compensate(_run(run_id).id, actor=actor_of(request.user), reason=because.reason or "")
        return self.repaired(run_id)


def _run(run_id: UUID) -> Any:
    run = SagaRun.objects.filter(id=run_id).prefetch_related("steps").first()
    if run is None:
        raise Http404("There is no such saga.")
    return run
