"""The sandbox's responses: an HTTP status and a JSON body, independent of the HTTP server."""

from typing import Any

import msgspec


class Answer(msgspec.Struct, frozen=True):
    status: int
    body: bytes
    replayed: bool = False


def says(http_status: int, body: Any) -> Answer:
    return Answer(http_status, msgspec.json.encode(body))


def refuses(http_status: int, code: str, message: str) -> Answer:
    return says(http_status, {"error": {"code": code, "message": message}})


UNAVAILABLE = refuses(503, "unavailable", "The processor is temporarily unavailable.")
KEY_REUSED = refuses(422, "idempotency_key_reused", "This Idempotency-Key was used with another request.")
