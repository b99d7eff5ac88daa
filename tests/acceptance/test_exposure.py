"""What the stack's processes open to others: nothing beyond this machine. For Flower's pages see test_flower.py."""

from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from orderproject.stack.ports import HOST
from orderproject.stack.process_specs import waves
from tests.acceptance.shop import Shop, open_shop


@pytest.fixture(scope="module")
def shop(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    names = (
        "sandbox",
        "front",
        "web",
        "live",
        "worker-core",
        "worker-calls",
        "worker-network",
        "relay",
        "beat",
        "flower",
    )
    with django_db_blocker.unblock(), open_shop(tmp_path_factory.mktemp("shop"), *names) as shop:
        yield shop


def sockets(shop: Shop, name: str, kind: str) -> list[Any]:
    """Of a process and of those that it started."""
    process = psutil.Process(shop.processes[name].pid)
    family = [process, *process.children(recursive=True)]
    return [one for member in family for one in member.net_connections(kind)]


def test_these_are_all_processes_of_the_stack(shop: Shop) -> None:
    assert shop.processes.keys() == {spec.name for wave in waves(shop.deployment) for spec in wave}


def test_every_process_listens_on_loopback_alone(shop: Shop) -> None:
    listening = {
        name: {one.laddr.ip for one in sockets(shop, name, "tcp") if one.status == psutil.CONN_LISTEN}
        for name in shop.processes
    }
    assert listening["web"] == listening["flower"] == {HOST}
    assert set().union(*listening.values()) == {HOST}


def test_gunicorn_opens_no_control_socket(shop: Shop) -> None:
    assert [one.laddr for one in sockets(shop, "web", "unix") if one.laddr] == []
