"""Connections of clients are kept."""

from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from orderproject.stack.ports import HOST
from tests.acceptance.shop import Shop, open_shop

REQUESTS = 60
"""More than nginx sends to web on one connection: docs/decisions/0040."""


@pytest.fixture(scope="module")
def shop(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with django_db_blocker.unblock(), open_shop(tmp_path_factory.mktemp("shop"), "front", "web") as shop:
        yield shop


def test_a_connection_is_kept(shop: Shop) -> None:
    connection = HTTPConnection(HOST, shop.deployment.port, timeout=10)
    ports = set()
    for _ in range(REQUESTS):
        connection.request("GET", "/livez")
        ports.add(connection.sock.getsockname()[1])
        answer = connection.getresponse()
        answer.read()
        assert (answer.status, answer.getheader("Connection")) == (200, "keep-alive")
    connection.close()
    assert len(ports) == 1
