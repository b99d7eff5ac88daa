"""Put outermost by tests.chaos.settings_dying."""

import os
import signal
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


class DyingMiddleware:
    """Kills its process instead of answering a request that asks for it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if "X-Die" in request.headers:
            os.kill(os.getpid(), signal.SIGKILL)
        return response
