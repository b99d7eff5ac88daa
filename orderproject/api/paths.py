"""Classifies the paths of the site."""

from django.http import HttpRequest

API = "/api/"
ADMIN = "/admin/"
OPERATIONS = f"{ADMIN}operations/stream/"
"""What the operations page of the admin follows."""
LOG_INS = (f"{API}v1/auth/", f"{ADMIN}login/")
"""Paths that accept passwords or refresh tokens."""
PROBES = frozenset({"/livez", "/readyz", "/metrics"})


def is_for_programs(path: str) -> bool:
    """Whether responses must be JSON, without redirects and HTML pages."""
    return is_of_the_api(path) or path in PROBES


def is_of_the_api(path: str) -> bool:
    return path.startswith(API)


def is_of_the_admin(path: str) -> bool:
    return path.startswith(ADMIN)


def is_live(path: str) -> bool:
    """Whether the path is an event stream, which the process for live streams serves."""
    return (is_of_the_api(path) and path.endswith("/stream/")) or path == OPERATIONS


def is_log_in(request: HttpRequest) -> bool:
    return request.method == "POST" and request.path.startswith(LOG_INS)
