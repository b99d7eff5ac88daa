"""The client address of a request. Only entries of `X-Forwarded-For` that trusted proxies added count."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

Address = IPv4Address | IPv6Address


def client_address(request: HttpRequest) -> str | None:
    """The last address outside TRUSTED_PROXIES; None if there is no address, as on a Unix socket.

    Each proxy appends the address of its client. Read from the end, the first untrusted address is the client of our
    outermost proxy. The client can have forged all entries before it.
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


def address_block(address: str | None) -> str:
    """The addresses that share a rate limit: one IPv4 address, or the IPv6 /64 network that a single host can have."""
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
