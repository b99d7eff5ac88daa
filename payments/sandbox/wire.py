"""Converts between aiohttp's requests and responses and the sandbox's types."""

from typing import Any, TypeVar

import msgspec
from aiohttp import web

from payments.sandbox.answer import Answer
from payments.sandbox.commands import Malformed

T = TypeVar("T")


async def read(request: web.Request, kind: type[T]) -> T:
    """Decode and validate the JSON body. An empty body counts as `{}`. Raises Malformed."""
    body = await request.read()
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(str(error)) from error


async def read_fields(request: web.Request) -> dict[str, Any]:
    """The fields of the body, overridden by those of the path."""
    return await read(request, dict[str, Any]) | request.match_info


def respond(answer: Answer) -> web.Response:
    headers = {"Idempotency-Replayed": "true"} if answer.replayed else None
    return web.Response(status=answer.status, body=answer.body, headers=headers, content_type="application/json")
