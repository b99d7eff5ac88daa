"""Who asks, seen through proxies: only ours are believed, and only about whom they were asked by."""

from typing import Any

import pytest
from django.test import RequestFactory

from orderproject.api.addresses import address_block, client_address

OURS = ["10.0.0.0/8", "192.0.2.7", "fd00::/8"]


def asked_by(remote: str, forwarded: str | None = None) -> Any:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return RequestFactory().get("/", REMOTE_ADDR=remote, headers=headers)


@pytest.mark.parametrize(
    ("remote", "forwarded", "client"),
    [
        ("203.0.113.5", None, "203.0.113.5"),
        ("203.0.113.5", "198.51.100.1", "203.0.113.5"),  # a stranger may write what he likes
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "203.0.113.5", "203.0.113.5"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.5", "203.0.113.5"),  # the first was invented by the second
        ("10.0.0.1", "203.0.113.5, 192.0.2.7, 10.9.9.9", "203.0.113.5"),
        ("10.0.0.1", "10.0.0.2,10.0.0.3", "10.0.0.2"),  # all are ours: the farthest
        ("10.0.0.1", "203.0.113.5, nonsense, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "203.0.113.5:4711", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("fd00::1", "2001:db8::5", "2001:db8::5"),
        ("::ffff:10.0.0.1", "::ffff:203.0.113.5", "203.0.113.5"),
        ("", "203.0.113.5", None),
        ("unix:", None, None),
    ],
)
def test_the_client_is_whom_our_outermost_proxy_was_asked_by(
    settings: Any, remote: str, forwarded: str | None, client: str | None
) -> None:
    settings.TRUSTED_PROXIES = OURS
    assert client_address(asked_by(remote, forwarded)) == client


def test_without_proxies_nobody_is_believed(settings: Any) -> None:
    settings.TRUSTED_PROXIES = []
    assert client_address(asked_by("10.0.0.1", "203.0.113.5")) == "10.0.0.1"


@pytest.mark.parametrize(
    ("address", "together"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        (None, "unknown"),
    ],
)
def test_one_host_counts_once_however_many_addresses_it_has(address: str | None, together: str) -> None:
    assert address_block(address) == together
