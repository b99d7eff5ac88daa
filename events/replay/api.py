"""REST views of replays, for operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar
from uuid import UUID

from django.http import Http404
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from desk.actors import actor_of
from events import models
from events.errors import Conflict, Refused
from events.replay import openapi, replays
from events.replay import serializers as wire
from web.permissions import Holds
from web.typed import convert
from web.views import ApiView


class Replays(ApiView):
    permission_classes = (Holds,)
    needs = {"POST": "events.replay"}
    answers: ClassVar[Mapping[type[Exception], int]] = {Refused: 422, Conflict: 409}

    @extend_schema(**openapi.START)
    def post(self, request: Request) -> Response:
        asked = convert(request.data, wire.NewReplay)
        scope = asked.scope
        if asked.dry_run:
            return Response(wire.Replay.would_be(scope), status=202)
        replay = replays.start(scope, actor=actor_of(request.user), reason=asked.reason)
        return Response(wire.Replay.of(replay), status=202, headers={"Location": reverse("replay", args=[replay.id])})


class OneReplay(ApiView):
    permission_classes = (Holds,)
    needs = {"GET": "events.view_replay"}

    @extend_schema(**openapi.READ)
    def get(self, request: Request, replay_id: UUID) -> Response:
        replay = models.Replay.objects.filter(id=replay_id).first()
        if replay is None:
            raise Http404("There is no such replay.")
        return Response(wire.Replay.of(replay))
