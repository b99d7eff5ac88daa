"""Where a request comes from. `X-Forwarded-For` is believed only as far as our own proxies wrote it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

Address = IPv4Address | IPv6Address


def client_address(request: HttpRequest) -> str | None:
    """The last address that none of TRUSTED_PROXIES has; None where there is none, as on a Unix socket.

    Each proxy appends whom it was asked by. Read from the end, the first stranger is who asked the outermost of our
    proxies, and whatever stands before him he may have invented.
    """
    nearest = _parsed(request.META.get("REMOTE_ADDR", ""))
    if nearest is None or not _trusted(nearest):
        return str(nearest) if nearest else None
    for hop in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
        address = _parsed(hop)
        if address is None:
            break
        nearest = address
        if not _trusted(nearest):
            break
    return str(nearest)


def neighbourhood(address: str | None) -> str:
    """Whose requests count together: one IPv4 address, or the /64 that a single host has of IPv6."""
    parsed = _parsed(address or "")
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, 64), strict=False))
    return str(parsed or "unknown")


def _parsed(text: str) -> Address | None:
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _trusted(address: Address) -> bool:
    return any(address in network for network in _networks(tuple(settings.TRUSTED_PROXIES)))


@lru_cache(maxsize=8)
def _networks(texts: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(text) for text in texts)
