"""Middleware: authentication, access to the controls, outages, and error responses."""

import hmac
from ipaddress import ip_address

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from payments.sandbox.answer import UNAVAILABLE, Answer, refuses
from payments.sandbox.commands import Malformed
from payments.sandbox.faults import Faults
from payments.sandbox.wire import respond


def guard(faults: Faults, api_key: str) -> Middleware:
    expected = f"Bearer {api_key}".encode() if api_key else b""

    def refusal(request: web.Request) -> Answer | None:
        if request.path.startswith("/control/"):
            return None if _from_loopback(request) else FORBIDDEN
        if not request.path.startswith("/v1/"):
            return None
        if faults.outage:
            faults.turned_away += 1
            return UNAVAILABLE
        given = request.headers.get("Authorization", "").encode(errors="replace")
        return None if not expected or hmac.compare_digest(given, expected) else UNAUTHORIZED

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        refused = refusal(request)
        if refused:
            return respond(refused)
        try:
            return await handler(request)
        except Malformed as error:
            return respond(refuses(400, "invalid_request", str(error)))
        except web.HTTPException as error:
            return respond(refuses(error.status, "invalid_request", error.reason))

    return guarded


FORBIDDEN = refuses(403, "forbidden", "Call the control endpoints from the same machine.")
UNAUTHORIZED = refuses(
    401, "unauthorized", "The API key is missing or wrong. Send it as `Authorization: Bearer <key>`."
)


def _from_loopback(request: web.Request) -> bool:
    return request.remote is not None and ip_address(request.remote).is_loopback
