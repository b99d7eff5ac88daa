"""Where webhooks may go, and what makes their signature: without a server or a database."""

from __future__ import annotations

import socket
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.fernet import InvalidToken
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from events import Refused
from notifications.webhooks.addresses import AddressRefused, BadURL, checked, is_allowed, open_socket, parse
from notifications.webhooks.fan_out import OPEN_KINDS, event_types, names_of
from notifications.webhooks.secrets import GRACE, MAX_SECRETS, Keyring, timestamp
from orders.selectors import FOLLOWED

# --- addresses -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946"])
def test_addresses_of_the_internet_are_allowed(address: str) -> None:
    assert is_allowed(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.1.2.3", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.9.9.9", "169.254.169.254", "172.16.0.1", "192.0.0.8",
        "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1",
        "239.1.1.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8",
        "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::1",
        "3fff::1", "5f00::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%lo", "fec0::1", "ff02::1",
    ],
)  # fmt: skip
def test_addresses_inside_or_of_no_place_are_refused(address: str) -> None:
    assert not is_allowed(address)


def test_settings_may_open_a_network_inside(settings: Any) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = ["10.1.0.0/16", "::1/128"]
    assert [is_allowed(one) for one in ("10.1.2.3", "::1", "10.2.0.1", "127.0.0.1")] == [True, True, False, False]


def test_no_socket_is_made_for_an_address_that_is_refused() -> None:
    with pytest.raises(AddressRefused, match=r"10\.0\.0\.1"):
        open_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 443)))
    open_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 443))).close()


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hook?a=1@2",
        "https://example.com:8443/",
        "https://[2606:2800::1]/",
        "https://xn--bcher-kva.de",
    ],
)
def test_a_url_of_the_internet_is_taken(url: str) -> None:
    assert parse(url).scheme == "https"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://example.com/", "begin with https://"),
        ("ftp://example.com/", "begin with https://"),
        ("//example.com/", "begin with https://"),
        ("example.com", "begin with https://"),
        ("https://", "contain a host|not a valid URL"),
        ("https:///hook", "contain a host|not a valid URL"),
        ("https://user:secret@example.com/", "user or a password"),
        ("https://user@example.com/", "user or a password"),
        ("https://@example.com/", "user or a password"),
        ("https://example.com/#part", "fragment"),
        ("https://example.com/#", "fragment"),
        ("https://example.com:22/", "port must be"),
        ("https://example.com:25/", "port must be"),
        ("https://example.com:0/", "port must be"),
        ("https://example.com:99999/", "not a valid URL"),
        ("https://example.com:x/", "not a valid URL"),
        ("https://exa mple.com/", "printable"),
        ("https://bücher.example/", "printable ASCII"),
        ("https://example.com/\r\nX: y", "printable"),
        ("https://example.com\\@127.0.0.1/", "backslashes"),
        ("https://[::1/", "not a valid URL"),
        ("https://example.com/\n", "printable"),
        ("https://[v1.x]/", "unknown version"),
        ("https://example..com/", "between two dots"),
        (f"https://{'a' * 64}.com/", "between two dots"),
    ],
)
def test_a_url_that_no_webhook_can_have_is_refused(url: str, reason: str) -> None:
    with pytest.raises(BadURL, match=reason):
        parse(url)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]",
             "[::ffff:10.0.0.1]", "10.0.0.1", "169.254.169.254"]
)  # fmt: skip
def test_a_host_inside_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises(Refused) as refusal:
        checked(f"https://{host}/latest/meta-data/")
    assert refusal.value.code == "address-refused"


def test_a_name_with_one_address_inside_among_others_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def both(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, 1, 6, "", (address, 443)) for address in ("8.8.8.8", "192.168.0.7")]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    with pytest.raises(Refused, match=r"192\.168\.0\.7"):
        checked("https://two-faced.example/")


def test_a_name_without_an_address_as_yet_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    assert checked("https://soon.example/hook").host == "soon.example"


# --- secrets ---------------------------------------------------------------------------------------------

NOW = datetime.now(UTC)
BODY = '{"eventType":"order.created","note":"é"}'.encode()


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signature is valid for five minutes, and a run of all tests takes longer."""
    monkeypatch.setattr(sys.modules[__name__], "NOW", datetime.now(UTC))


def headers(keyring: Keyring, now: datetime | None = None) -> dict[str, str]:
    now = now or NOW
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": timestamp(now),
        "webhook-signature": keyring.sign("msg_1", now, BODY),
    }


def test_the_library_of_the_standard_verifies_our_signature() -> None:
    keyring = Keyring.new()
    assert keyring.current.startswith("whsec_")
    assert Webhook(keyring.current).verify(BODY, headers(keyring))["eventType"] == "order.created"
    for wrong in (BODY + b" ", BODY.replace(b"created", b"updated")):
        with pytest.raises(WebhookVerificationError):
            Webhook(keyring.current).verify(wrong, headers(keyring))
    with pytest.raises(WebhookVerificationError):
        Webhook(Keyring.new().current).verify(BODY, headers(keyring))


def test_the_old_secret_signs_beside_the_new_one_for_a_day() -> None:
    old = Keyring.new()
    new = old.rotated(NOW - GRACE + timedelta(minutes=1))
    assert new.current != old.current
    for secret in (new.current, old.current):
        Webhook(secret).verify(BODY, headers(new))
    later = old.rotated(NOW - GRACE - timedelta(seconds=1))
    Webhook(later.current).verify(BODY, headers(later))
    with pytest.raises(WebhookVerificationError):
        Webhook(old.current).verify(BODY, headers(later))


def test_the_header_stays_short_however_often_a_secret_is_rotated() -> None:
    keyring = Keyring.new()
    for _ in range(10):
        keyring = keyring.rotated(NOW)
    assert len(keyring.sign("msg_1", NOW, BODY).split(" ")) == MAX_SECRETS


def test_a_secret_is_sealed_and_opens_after_the_key_was_changed(settings: Any) -> None:
    keyring = Keyring.new()
    sealed = keyring.seal()
    assert keyring.current not in sealed
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-" + "1" * 50
    assert Keyring.open(sealed) == keyring
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(InvalidToken):
        Keyring.open(sealed)


# --- who hears what --------------------------------------------------------------------------------------


def test_events_about_webhooks_are_not_for_webhooks_and_all_others_are() -> None:
    types = event_types()
    assert {"order.created", "payment.succeeded", "inventory.low", "notification.sent"} <= types.keys()
    assert not any(name.startswith("webhook.") for name in types)
    assert names_of("order.created") == {"order.created", "order.*", "*"}


def test_what_a_customer_may_ask_for_is_what_it_may_follow() -> None:
    assert set(FOLLOWED) == OPEN_KINDS
