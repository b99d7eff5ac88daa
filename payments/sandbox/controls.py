"""The HTTP endpoints of the fault switches. Each call sets one switch and returns the state of all."""

from typing import Annotated

import msgspec
from aiohttp import web

from payments.sandbox.answer import says
from payments.sandbox.faults import Faults
from payments.sandbox.wire import read, respond


class Outage(msgspec.Struct, forbid_unknown_fields=True):
    on: bool


class Latency(msgspec.Struct, forbid_unknown_fields=True):
    ms: Annotated[int, msgspec.Meta(ge=0, le=600_000)]


class ActThenHang(msgspec.Struct, forbid_unknown_fields=True):
    on: bool | Annotated[int, msgspec.Meta(ge=0)]


class Controls:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/control/outage", self._outage),
            web.post("/control/latency", self._latency),
            web.post("/control/act-then-hang", self._act_then_hang),
        ]

    async def _outage(self, request: web.Request) -> web.Response:
        self._faults.outage = (await read(request, Outage)).on
        return self._show()

    async def _latency(self, request: web.Request) -> web.Response:
        self._faults.latency_ms = (await read(request, Latency)).ms
        return self._show()

    async def _act_then_hang(self, request: web.Request) -> web.Response:
        self._faults.act_then_hang = (await read(request, ActThenHang)).on
        return self._show()

    def _show(self) -> web.Response:
        faults = self._faults
        state = {
            "outage": faults.outage,
            "latencyMs": faults.latency_ms,
            "actThenHang": faults.act_then_hang,
            "turnedAway": faults.turned_away,
        }
        return respond(says(200, state))
