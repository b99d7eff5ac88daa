"""Which part of the site a path belongs to."""

from django.http import HttpRequest

API = "/api/"
LOG_INS = (f"{API}v1/auth/", "/admin/login/")
"""Where a password, or what stands for one, may be tried."""
PROBES = frozenset({"/livez", "/readyz", "/metrics"})


def is_for_programs(path: str) -> bool:
    """Answered in JSON, never redirected, never with a page."""
    return is_of_the_api(path) or path in PROBES


def is_of_the_api(path: str) -> bool:
    return path.startswith(API)


def is_live(path: str) -> bool:
    """A stream of events that stays open, served by the process for those."""
    return is_of_the_api(path) and path.endswith("/stream/")


def is_log_in(request: HttpRequest) -> bool:
    return request.method == "POST" and request.path.startswith(LOG_INS)
