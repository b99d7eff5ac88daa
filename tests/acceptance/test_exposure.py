"""What the stack's processes open to others: nothing beyond this machine, and of Flower nothing without a log-in."""

from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import pytest

from orderproject.stack.ports import HOST
from orderproject.stack.process_specs import waves
from tests.acceptance.shop import Shop, open_shop

LOG_IN = ("admin", "admin")
PAGES = ["", "workers", "tasks", "broker", "api/workers", "api/tasks", "api/task/types"]
COMMANDS = ["api/task/async-apply/sagas.sweep", "api/task/apply/sagas.sweep", "api/worker/shutdown/core"]
OPEN = ["metrics", "healthcheck"]
"""Flower answers these to anybody: see docs/howto/run-in-production.md."""


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


@pytest.mark.parametrize("page", PAGES)
def test_flowers_pages_ask_for_a_log_in(shop: Shop, page: str) -> None:
    address = f"{shop.deployment.flower_url}/{page}"
    assert httpx.get(address).status_code == 401
    assert httpx.get(address, auth=("admin", "guessed")).status_code == 401
    assert httpx.get(address, auth=LOG_IN, follow_redirects=True, timeout=20).status_code == 200


@pytest.mark.parametrize("command", COMMANDS)
def test_flower_obeys_nobody_without_a_log_in(shop: Shop, command: str) -> None:
    assert httpx.post(f"{shop.deployment.flower_url}/{command}").status_code == 401


@pytest.mark.parametrize("page", OPEN)
def test_what_flower_tells_anybody_is_what_the_documentation_says(shop: Shop, page: str) -> None:
    assert httpx.get(f"{shop.deployment.flower_url}/{page}").status_code == 200


def test_flower_sees_the_tasks(shop: Shop) -> None:
    """Which needs the workers' events: -E."""
    tasks = f"{shop.deployment.flower_url}/api/tasks"
    shop.wait_until(lambda: "sagas.sweep" in httpx.get(tasks, auth=LOG_IN, timeout=20).text, 20)
