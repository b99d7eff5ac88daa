"""Maps a processor's HTTP response to a result or to an error of the port."""

import msgspec

from payments.gateway.port import Declined, GatewayError, GatewayUnavailable
from web.typed import decoder

REFUSALS = frozenset({402, 409, 410})
RETRYABLE = frozenset({408, 425, 429})
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Success(msgspec.Struct, frozen=True):
    id: str | None = None


class Problem(msgspec.Struct, frozen=True):
    code: str
    message: str


class Failure(msgspec.Struct, frozen=True):
    error: Problem


_success = decoder(Success)
_failure = decoder(Failure)


def read_answer(status: int, body: bytes) -> str:
    """Return the id in a successful response, or "" without one. Raises Declined, GatewayUnavailable, GatewayError."""
    if 200 <= status < 300:
        return _read_success(body)
    if status >= 500 or status in RETRYABLE:
        raise GatewayUnavailable(f"The processor answered {status}.")
    problem = _read_failure(status, body)
    if status in REFUSALS:
        raise Declined(problem.code, problem.message)
    raise GatewayError(f"The processor answered {status}: {problem.message} ({problem.code})")


def _read_success(body: bytes) -> str:
    try:
        return _success.decode(body).id or ""
    except UNREADABLE as error:
        # A success status with an unreadable body: a proxy's page or a truncated response. A retry by key finds out.
        raise GatewayUnavailable("The processor's answer is unreadable. Retry with the same key.") from error


def _read_failure(status: int, body: bytes) -> Problem:
    try:
        return _failure.decode(body).error
    except UNREADABLE:
        return Problem(code=f"http_{status}", message="The response has no readable error message.")
