"""What nginx in front of web answers itself, and what it passes on."""

from __future__ import annotations

import json
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from orderproject.stack.ports import HOST
from orderproject.stack.servers.front import ALIVE
from tests.acceptance.shop import Shop, open_shop
from tests.integration.api import ORDERS

PROXY, CLIENT, OTHER = "127.0.0.40", "127.0.0.50", "127.0.0.51"
LIMIT, OPEN = 20, 3
HEAD = b"POST /api/v1/orders/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture(scope="module")
def shop(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    variables = {
        "RATE_LIMIT_ANONYMOUS": str(LIMIT),
        "FRONT_TRUSTED": f"127.0.0.41,{PROXY}",
        "CONNECTION_LIMIT": str(OPEN),
    }
    with (
        django_db_blocker.unblock(),
        open_shop(tmp_path_factory.mktemp("shop"), "front", "web", variables=variables) as shop,
    ):
        yield shop


def exchange(shop: Shop, request: bytes) -> bytes:
    """All that comes back until the connection is closed, or silent for two seconds."""
    received = b""
    with socket.create_connection((HOST, shop.deployment.port), timeout=2) as connection:
        connection.sendall(request)
        try:
            while more := connection.recv(65_536):
                received += more
        except TimeoutError:
            pass
    return received


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (HEAD + b"Content-Length: 1048577\r\nConnection: close\r\n\r\n{", 413, "too-large"),
        (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501, "unsupported-transfer-coding"),
        (b"BREW / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405, "method-not-allowed"),
        (b"GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505, "unsupported-version"),
        (b"GET /api/%00/ HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad-request"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "bad-request"),
        (b"GET /problem HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404, "not-found"),
        (HEAD + b"Expect: miracles\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", 417, "expectation-failed"),
    ],
    ids=["large", "coding", "method", "version", "nul", "no host", "internal", "expect"],
)
def test_its_own_errors_are_problems(shop: Shop, request_: bytes, status: int, code: str) -> None:
    head, _, body = exchange(shop, request_.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nX-Request-ID: mine\r\n")).partition(
        b"\r\n\r\n"
    )
    problem = json.loads(body)
    assert (int(head.split()[1]), problem["status"], problem["type"]) == (status, status, code)
    assert problem.keys() == {"type", "title", "status", "detail", "instance", "errors"}
    assert b"\r\nContent-Type: application/problem+json\r\n" in head
    assert b"\r\nServer: nginx\r\n" in head
    assert b"\r\nX-Request-ID: " in head
    assert shop.processes["front"].output() == "", "a log could contain personal data"


@pytest.mark.parametrize("path", [ORDERS, "/admin/", "/livez", "/api/v1/stream/"])
def test_while_nobody_is_behind_it_the_answer_is_503(shop: Shop, path: str) -> None:
    shop.processes["web"].stop()
    try:
        answer = httpx.get(shop.deployment.url + path, headers={"X-Request-ID": "mine"})
        assert (answer.status_code, answer.json()["type"]) == (503, "unavailable")
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert (answer.headers["Retry-After"], answer.headers["X-Request-ID"]) == ("5", "mine")
        assert httpx.get(shop.deployment.url + ALIVE).status_code == 200
    finally:
        shop.processes["web"].start()
        shop.processes["web"].wait_ready()
    assert httpx.get(f"{shop.deployment.url}/livez").status_code == 200


def test_it_does_not_run_as_root_and_keeps_its_files_in_its_folder(shop: Shop) -> None:
    master = psutil.Process(shop.processes["front"].pid)
    for process in [master, *master.children()]:
        assert process.uids().effective != 0
        assert all(Path(file.path).is_relative_to(shop.folder) for file in process.open_files())


def test_it_stops_within_its_time_and_starts_again_beside_a_running_web(shop: Shop) -> None:
    front, web = shop.processes["front"], shop.processes["web"].pid
    front.signal(signal.SIGTERM)
    assert front.wait(front.spec.stop_timeout)
    assert front.returncode == 0
    front.start()
    front.wait_ready()
    assert httpx.get(f"{shop.deployment.url}/livez").status_code == 200
    assert shop.processes["web"].pid == web


def status_of(shop: Shop, address: str, forwarded: str) -> int:
    """The answer to a request from this address, without credentials."""
    connection = HTTPConnection(HOST, shop.deployment.port, 10, source_address=(address, 0))
    connection.request("GET", ORDERS, headers={"X-Forwarded-For": forwarded})
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.skipif(sys.platform != "linux", reason="needs every address of 127.0.0.0/8")
def test_a_forged_address_does_not_count(shop: Shop) -> None:
    forged = [status_of(shop, CLIENT, f"203.0.113.{number}, {HOST}") for number in range(2 * LIMIT)]
    assert forged[:LIMIT] == [401] * LIMIT
    assert forged[-1] == 429
    assert status_of(shop, OTHER, CLIENT) == 401


@pytest.mark.skipif(sys.platform != "linux", reason="needs every address of 127.0.0.0/8")
def test_an_address_from_a_trusted_proxy_counts(shop: Shop) -> None:
    told = [status_of(shop, PROXY, f"203.0.113.{number}, 198.51.100.7") for number in range(2 * LIMIT)]
    assert told[-1] == 429
    assert status_of(shop, PROXY, "198.51.100.7, 198.51.100.8, 127.0.0.41") == 401


def half_a_body(shop: Shop, forwarded: str) -> socket.socket:
    connection = socket.create_connection((HOST, shop.deployment.port), 1, source_address=(PROXY, 0))
    connection.sendall(HEAD + f"X-Forwarded-For: {forwarded}\r\nContent-Length: 100\r\n\r\n{{".encode())
    return connection


@pytest.mark.skipif(sys.platform != "linux", reason="needs every address of 127.0.0.0/8")
def test_the_addresses_of_one_ipv6_network_share_a_limit(shop: Shop) -> None:
    with ExitStack() as connections:
        for number in range(OPEN):
            connections.enter_context(half_a_body(shop, f"2001:db8::{number}"))
        assert connections.enter_context(half_a_body(shop, "2001:db8::1:2:3:4")).recv(12) == b"HTTP/1.1 429"
        with pytest.raises(TimeoutError):  # nothing is refused
            connections.enter_context(half_a_body(shop, "2001:db8:0:1::1")).recv(12)


def test_a_client_that_waits_for_permission_gets_it_before_it_sends_the_body(shop: Shop) -> None:
    with socket.create_connection((HOST, shop.deployment.port), timeout=10) as connection:
        connection.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert connection.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert connection.recv(4096).startswith(b"HTTP/1.1 4")


def test_compressed_bodies_and_requests_for_the_head_are_web_s_to_answer(shop: Shop) -> None:
    refused = httpx.post(shop.deployment.url + ORDERS, content=b"x", headers={"Content-Encoding": "gzip"})
    assert (refused.status_code, refused.json()["type"]) == (415, "unsupported-encoding")
    head = httpx.head(f"{shop.deployment.url}/livez")
    assert (head.status_code, head.content) == (200, b"")
