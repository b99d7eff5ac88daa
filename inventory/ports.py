"""What the inventory service needs from other services. Settings name the functions that provide it."""

from collections.abc import Callable, Mapping
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string

Work = Callable[[], tuple[int, Mapping[str, str], bytes]]
"""Returns status, headers and JSON body. It runs in the transaction that also stores the response."""


def answer_once(request: HttpRequest, caller: UUID, work: Work) -> HttpResponse:
    """Runs `work` at most once per `Idempotency-Key`, with the function that `settings.ANSWER_ONCE` names."""
    answer = cast("Callable[[HttpRequest, UUID, Any], HttpResponse]", import_string(settings.ANSWER_ONCE))
    return answer(request, caller, work)
