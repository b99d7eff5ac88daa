"""Replays over HTTP, for operators."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from events import models, replays
from events import replay_openapi as openapi
from events import replay_wire as wire
from events.permissions import Holds
from events.typed import convert


class Replays(APIView):
    permission_classes = (Holds,)
    needs = {"POST": "events.replay"}

    @extend_schema(**openapi.START)
    def post(self, request: Request) -> Response:
        asked = convert(request.data, wire.NewReplay)
        scope = asked.scope
        if asked.dry_run:
            return Response(wire.Replay.would_be(scope), status=202)
        replay = replays.start(scope, actor=request.user.get_username(), reason=asked.reason)
        return Response(wire.Replay.of(replay), status=202, headers={"Location": reverse("replay", args=[replay.id])})


class OneReplay(APIView):
    permission_classes = (Holds,)
    needs = {"GET": "events.view_replay"}

    @extend_schema(**openapi.READ)
    def get(self, request: Request, replay_id: UUID) -> Response:
        replay = models.Replay.objects.filter(id=replay_id).first()
        if replay is None:
            raise Http404("There is no such replay.")
        return Response(wire.Replay.of(replay))
