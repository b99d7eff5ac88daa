"""Which part of the site a path belongs to."""

API = "/api/"
PROBES = frozenset({"/livez", "/readyz", "/metrics"})


def is_for_programs(path: str) -> bool:
    """Answered in JSON, never redirected, never with a page."""
    return path.startswith(API) or path in PROBES
