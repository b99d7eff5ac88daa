"""Which addresses webhooks can use. The same rules apply when a webhook is created and for every connection.

The check for each connection is the one that protects, because a name can resolve to another address by then. The
client calls `open_socket` with each resolved address immediately before it connects.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from django.conf import settings
from yarl import URL

from events import Refused

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LOOK_UP_WITHIN = 2.0
"""Seconds to wait for the resolver when a webhook is created."""
ORDINARY_PORTS = frozenset({80, 443})
AUTHORITY = re.compile(r"[/?#]")
PRINTABLE = re.compile(r"[\x21-\x7e]+\Z")

# Networks that are not globally reachable by IANA's special-purpose registries, and those that embed other addresses.
# They are listed here, because the data behind `is_global` depends on the version of Python.
SPECIAL: list[Network] = [
    *map(
        IPv4Network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
            "203.0.113.0/24", "224.0.0.0/3",
        ),
    ),
    # Teredo, ORCHID and other protocol assignments; documentation; 6to4; documentation.
    *map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")),
]  # fmt: skip
GLOBAL_IPV6 = IPv6Network("2000::/3")
"""It excludes loopback, link-local, unique-local, multicast, IPv4-mapped and NAT64 addresses."""


class BadURL(ValueError):
    """A webhook cannot have this URL. The message says why."""


class AddressRefused(OSError):
    """The webhook's host resolves to an address that is not allowed."""


def checked(url: str) -> URL:
    """The URL as the client will parse it.

    Raises BadURL if it is invalid, and Refused("address-refused") if its host resolves to an address that is not
    allowed. A host that does not resolve yet is accepted, because each connection is checked again.
    """
    parsed = parse(url)
    for address in _look_up(parsed):
        if not is_allowed(address):
            raise Refused(
                "address-refused",
                f"{parsed.host} resolves to {address}, which is not a public address. Use a public URL.",
            )
    return parsed


def parse(url: str) -> URL:
    """Parses with the client's own parser, so that both see the same host. Raises BadURL."""
    if not PRINTABLE.match(url) or "\\" in url:
        raise BadURL("Use only printable ASCII characters in the URL, without spaces and backslashes.")
    try:
        parsed = URL(url)
        host, port = parsed.host, parsed.port
    except ValueError as error:
        raise BadURL(f"This is not a valid URL: {error}.") from error
    schemes = ("https", "http") if settings.WEBHOOK_ALLOW_HTTP else ("https",)
    if parsed.scheme not in schemes:
        raise BadURL(f"The URL must begin with {' or '.join(f'{one}://' for one in schemes)}.")
    if not host:
        raise BadURL("The URL must contain a host.")
    _check_host(host)
    authority = AUTHORITY.split(url, maxsplit=3)[2]
    if "@" in authority:
        raise BadURL("The URL must not contain a user or a password. Verify the signature instead.")
    if authority.startswith("[v"):
        raise BadURL("The host is an IP address of an unknown version. Use a name, or an address of version 4 or 6.")
    if "#" in url:
        raise BadURL("The URL must not contain a fragment, because clients do not send it.")
    if port not in ORDINARY_PORTS and (port is None or port < 1024):
        raise BadURL("The port must be 443, 80, or 1024 and above.")
    return parsed


def _check_host(host: str) -> None:
    """Raises BadURL for a name that no resolver takes, because a part of it is empty or too long."""
    try:
        host.encode("idna")
    except UnicodeError as error:
        raise BadURL("The host is not valid. Use a name with 1 to 63 characters between two dots.") from error


def is_allowed(text: str) -> bool:
    address = ip_address(text)
    if any(address in network for network in _networks(tuple(settings.WEBHOOK_ALLOWED_NETWORKS))):
        return True
    if isinstance(address, IPv6Address) and (address.scope_id or address not in GLOBAL_IPV6):
        return False
    return address.is_global and not any(address in network for network in SPECIAL)


def open_socket(info: tuple[Any, ...]) -> socket.socket:
    """Creates the socket for a resolved address, immediately before the client connects. Raises AddressRefused."""
    family, kind, protocol, _, target = info
    if not is_allowed(target[0]):
        raise AddressRefused(f"The host resolves to {target[0]}, which is not a public address.")
    opened = socket.socket(family, kind, protocol)
    opened.setblocking(False)
    return opened


def _look_up(url: URL) -> Sequence[str]:
    """All addresses of the host; none if it does not resolve within `LOOK_UP_WITHIN`."""
    try:
        found: Future[Any] = _resolvers().submit(socket.getaddrinfo, url.host, url.port, type=socket.SOCK_STREAM)
        return [str(info[4][0]) for info in found.result(LOOK_UP_WITHIN)]
    except (OSError, UnicodeError, Late):
        return []


@cache
def _resolvers() -> ThreadPoolExecutor:
    """Created on first use, which is after any fork."""
    return ThreadPoolExecutor(4, thread_name_prefix="webhook-names")


@cache
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)
