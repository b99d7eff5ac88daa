"""Read a processor's HTTP answer: one place that says which status is a no, a maybe or a bug."""

import msgspec

from events.typed import decoder
from payments.gateway.port import Declined, GatewayError, GatewayUnavailable

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
    """Return the id the answer names, or "" where it names none; raise one of the port's errors otherwise."""
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
        # It says yes, but not to what: a proxy's page, a cut answer. Asking again by key will tell.
        raise GatewayUnavailable("The processor's answer could not be read.") from error


def _read_failure(status: int, body: bytes) -> Problem:
    try:
        return _failure.decode(body).error
    except UNREADABLE:
        return Problem(code=f"http_{status}", message="The answer says nothing more.")
