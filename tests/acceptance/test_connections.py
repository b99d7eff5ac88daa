"""Connections to web are kept, and dealt anew to its processes from time to time."""

from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from orderproject.stack.ports import HOST
from orderproject.web import REQUESTS_PER_CONNECTION
from tests.acceptance.shop import Shop, open_shop


@pytest.fixture(scope="module")
def shop(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with django_db_blocker.unblock(), open_shop(tmp_path_factory.mktemp("shop"), "web") as shop:
        yield shop


def test_a_connection_is_kept_for_some_requests_and_then_closed(shop: Shop) -> None:
    connection = HTTPConnection(HOST, shop.deployment.port, timeout=10)
    said, ports = [], []
    for _ in range(2 * REQUESTS_PER_CONNECTION):
        connection.request("GET", "/livez")
        ports.append(connection.sock.getsockname()[1])
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        said.append(answer.getheader("Connection"))
    connection.close()
    kept = ["keep-alive"] * (REQUESTS_PER_CONNECTION - 1)
    assert said == [*kept, "close"] * 2
    assert len(set(ports)) == 2
