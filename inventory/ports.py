"""What inventory needs from elsewhere without knowing from whom; the settings name who answers."""

from collections.abc import Callable, Mapping
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string

Work = Callable[[], tuple[int, Mapping[str, str], bytes]]
"""Makes an answer: status, headers and JSON. It runs in the transaction that also stores the answer."""


def answer_once(request: HttpRequest, caller: UUID, work: Work) -> HttpResponse:
    """Asks the function that `settings.ANSWER_ONCE` names; for requests with an `Idempotency-Key`."""
    answer = cast("Callable[[HttpRequest, UUID, Any], HttpResponse]", import_string(settings.ANSWER_ONCE))
    return answer(request, caller, work)
