"""Requests as other clients write them, and as none should, to the real web process."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from uuid import uuid4

import pytest

from orderproject.accounts.auth import access_token
from orderproject.models import User
from orderproject.stack.ports import HOST
from tests.acceptance.shop import Shop, open_shop
from tests.integration.api import ORDERS, order

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def shop(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with django_db_blocker.unblock(), open_shop(tmp_path_factory.mktemp("shop"), "front", "web") as shop:
        shop.stock("MUG-RED", 100)
        yield shop


@pytest.fixture(scope="module")
def headers(shop: Shop) -> dict[str, str]:
    """With the scheme in small letters, as some clients send it."""
    token = access_token(User.objects.create_user("ada"))
    return {"Authorization": f"bearer {token}", "Content-Type": "application/json"}


def post(shop: Shop, body: bytes, headers: dict[str, str], size: int = 7) -> tuple[HTTPResponse, Any]:
    """In chunks of this size, as .NET's `HttpClient` sends a body by default."""
    connection = HTTPConnection(HOST, shop.deployment.port, timeout=10)
    chunks = (body[at : at + size] for at in range(0, len(body), size))
    connection.request("POST", ORDERS, chunks, {**headers, "Idempotency-Key": str(uuid4())}, encode_chunked=True)
    answer = connection.getresponse()
    said = json.loads(answer.read())
    connection.close()
    return answer, said


def test_an_order_in_chunks_is_placed(shop: Shop, headers: dict[str, str]) -> None:
    chunked = {**headers, "Transfer-Encoding": "chunked"}
    answer, placed = post(shop, json.dumps(order(("MUG-RED", 2))).encode(), chunked)
    assert (answer.status, placed["status"], placed["items"][0]["quantity"]) == (201, "pending", 2)


def test_chunks_that_are_no_order_are_refused_like_any_body(shop: Shop, headers: dict[str, str]) -> None:
    chunked = {**headers, "Transfer-Encoding": "chunked"}
    answer, problem = post(shop, b'{"currency": 1}', chunked)
    assert (answer.status, problem["type"]) == (400, "invalid")


def test_chunks_of_more_than_1_mib_are_too_large(shop: Shop, headers: dict[str, str]) -> None:
    chunked = {**headers, "Transfer-Encoding": "chunked"}
    answer, problem = post(shop, b" " * (3 * MIB), chunked, size=65_536)
    assert (answer.status, problem["type"]) == (413, "too-large")


def raw(shop: Shop, request: bytes) -> tuple[int, dict[str, str], Any]:
    """What the server says to these bytes: the status, the headers and the problem."""
    with socket.create_connection((HOST, shop.deployment.port), timeout=10) as connection:
        connection.sendall(request)
        answer = HTTPResponse(connection)
        answer.begin()
        return answer.status, dict(answer.getheaders()), json.loads(answer.read())


HEAD = b"POST /api/v1/orders/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (b"GET /api/v1/orders/?q=" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "uri-too-long"),
        (HEAD + b"X-Long: " + b"x" * 60_000 + b"\r\n\r\n", 431, "headers-too-large"),
        (HEAD + b"".join(b"X-%d: 1\r\n" % n for n in range(200)) + b"\r\n", 431, "headers-too-large"),
        (HEAD + b"Expect: miracles\r\nContent-Length: 2\r\n\r\n{}", 417, "expectation-failed"),
        (b"NONSENSE\r\n\r\n", 400, "bad-request"),
        (HEAD + b"Bad Header: 1\r\n\r\n", 400, "bad-request"),
        (HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400, "bad-request"),
        (HEAD + b"Content-Length: -1\r\n\r\n", 400, "bad-request"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "bad-request"),
    ],
    ids=["long address", "long header", "many headers", "expect", "no http", "bad header", "two lengths", "negative",
         "broken chunk"],
)  # fmt: skip
def test_what_the_server_cannot_read_is_a_problem_too(shop: Shop, request_: bytes, status: int, code: str) -> None:
    answered, headers, problem = raw(shop, request_)
    assert (answered, problem["status"], problem["type"]) == (status, status, code)
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["X-Request-ID"]
    assert problem.keys() == {"type", "title", "status", "detail", "instance", "errors"}
