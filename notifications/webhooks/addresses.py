"""Where webhooks may go. The same rules hold when one is made and for every address that is connected to.

The second is what counts: a name may resolve to something else by then. `open_socket` is asked by the client for each
address that it is about to connect to, after resolving, so nothing lies between the check and the connection.
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
"""Seconds for which making a webhook waits for the name's address."""
ORDINARY_PORTS = frozenset({80, 443})
AUTHORITY = re.compile(r"[/?#]")
PRINTABLE = re.compile(r"^[\x21-\x7e]+$")

# What is not globally reachable by IANA's registries of special-purpose addresses, and what hides another address in
# it. Written out, since what `is_global` knows depends on the version of Python.
SPECIAL: list[Network] = [
    *map(
        IPv4Network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
            "203.0.113.0/24", "224.0.0.0/3",
        ),
    ),
    # Teredo, ORCHID and other protocols' own; documentation; 6to4; documentation.
    *map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")),
]  # fmt: skip
GLOBAL_IPV6 = IPv6Network("2000::/3")
"""Outside it lie loopback, link-local, unique-local, multicast, IPv4-mapped and NAT64 addresses."""


class BadURL(ValueError):
    """No webhook can have this URL; the sentence says why."""


class AddressRefused(OSError):
    """The webhook's name leads to an address that webhooks may not go to."""


def checked(url: str) -> URL:
    """The URL as the client will understand it.

    Raises BadURL for what no webhook can have, Refused("address-refused") where the name leads inside. A name without
    an address, as yet, is none of our business: what counts is where it leads when something is sent.
    """
    parsed = parse(url)
    for address in _look_up(parsed):
        if not is_allowed(address):
            raise Refused("address-refused", f"{parsed.host} leads to {address}, an address where webhooks may not go.")
    return parsed


def parse(url: str) -> URL:
    """Parsed by the client's own parser, so that both see the same host. Raises BadURL."""
    if not PRINTABLE.match(url) or "\\" in url:
        raise BadURL("A URL has only printable ASCII characters, no blanks and no backslashes.")
    try:
        parsed = URL(url)
        host, port = parsed.host, parsed.port
    except ValueError as error:
        raise BadURL(f"This is no URL: {error}.") from error
    schemes = ("https", "http") if settings.WEBHOOK_ALLOW_HTTP else ("https",)
    if parsed.scheme not in schemes:
        raise BadURL(f"A webhook's URL begins with {' or '.join(f'{one}://' for one in schemes)}.")
    if not host:
        raise BadURL("The URL names no host.")
    if "@" in AUTHORITY.split(url, maxsplit=3)[2]:
        raise BadURL("The URL must not hold a user or a password: what is sent is signed instead.")
    if "#" in url:
        raise BadURL("The URL must not have a fragment: it would never be sent.")
    if port not in ORDINARY_PORTS and (port is None or port < 1024):
        raise BadURL("The port must be 443, 80, or 1024 and above.")
    return parsed


def is_allowed(text: str) -> bool:
    address = ip_address(text)
    if any(address in network for network in _networks(tuple(settings.WEBHOOK_ALLOWED_NETWORKS))):
        return True
    if isinstance(address, IPv6Address) and (address.scope_id or address not in GLOBAL_IPV6):
        return False
    return address.is_global and not any(address in network for network in SPECIAL)


def open_socket(info: tuple[Any, ...]) -> socket.socket:
    """What the client makes a socket with for each address, just before it connects. Raises AddressRefused."""
    family, kind, protocol, _, target = info
    if not is_allowed(target[0]):
        raise AddressRefused(f"It leads to {target[0]}, an address where webhooks may not go.")
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    return made


def _look_up(url: URL) -> Sequence[str]:
    """All addresses of the host, none if it has none yet or its name servers are slow."""
    try:
        found: Future[Any] = _resolvers().submit(socket.getaddrinfo, url.host, url.port, type=socket.SOCK_STREAM)
        return [str(info[4][0]) for info in found.result(LOOK_UP_WITHIN)]
    except (OSError, UnicodeError, Late):
        return []


@cache
def _resolvers() -> ThreadPoolExecutor:
    """Made on first use, which is after any fork."""
    return ThreadPoolExecutor(4, thread_name_prefix="webhook-names")


@cache
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)
