"""The processes of docker-compose.yml, each by its own command and judged by its own health check, under production
settings: they get an order confirmed, and stop when told.
"""

import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest
from django.core.management.utils import get_random_secret_key
from psycopg import sql

from orderproject.stack.ports import free_port
from orderproject.stack.processes import PROJECT, Process, ProcessSpec, how_it_ended
from orderproject.stack.servers.binaries import nginx_program
from orderproject.stack.servers.front import START
from tests.integration.composefile import Service, interpolated, ours

pytestmark = pytest.mark.slow

READY_WITHIN = 120.0
# How far its logical databases lie from those of other tests: a real worker would take their messages.
APART = 32
ORDER = """
import time
from uuid import uuid4
from inventory.models import Product, Stock, Warehouse
from orders.models import Order
from orders.services import Placement, Wanted, place

product = Product.objects.create(sku="MUG-RED", name="Mug, red", price="9.90", currency="EUR")
Stock.objects.create(product=product, warehouse=Warehouse.objects.create(code="BER", name="Berlin"), on_hand=5)
order = place(Placement(uuid4(), "EUR", "a@example.com", "tok_visa", {}, [Wanted("MUG-RED", 2)]))
deadline = time.monotonic() + 30
while order.status == "pending" and time.monotonic() < deadline:
    time.sleep(0.1)
    order.refresh_from_db()
print("the order is", order.status)
"""


class Composition:
    """All services of ours on this machine, with free ports and a folder in place of those of the containers."""

    def __init__(self, folder: Path, database_url: str, redis_url: str) -> None:
        self.folder = folder
        self.places = {
            "web:8000 resolve": "127.0.0.1:8000",
            "live:8001 resolve": "127.0.0.1:8001",
            "0.0.0.0": "127.0.0.1",  # noqa: S104  to be replaced
            "8000": str(free_port()),
            "8001": str(free_port()),
            "8090": str(free_port()),
            "5555": str(free_port()),
            "/tmp": str(folder),  # noqa: S108  to be replaced
            "/data": str(folder),
            "8080": str(free_port()),
            "/front/": f"{START.parent}/",
        }
        environment = {
            "SECRET_KEY": f"k{get_random_secret_key()}",  # a "$" in front would name another variable
            "ALLOWED_HOSTS": "shop.example.com",
            "PUBLIC_URL": "https://shop.example.com",
            "POSTGRES_PASSWORD": "unused",
            "REDIS_PASSWORD": "unused",
            "PAYMENT_GATEWAY_URL": "http://127.0.0.1:8090",
            "PAYMENT_GATEWAY_KEY": secrets.token_urlsafe(),
            "EMAIL_URL": "consolemail://",
            "DEFAULT_FROM_EMAIL": "orders@shop.example.com",
            "FLOWER_BASIC_AUTH": "admin:" + secrets.token_urlsafe(),
        }
        front = Service("front", interpolated(environment)["services"]["front"])
        self.services = {**ours(environment), "front": front}
        # They need a broker outside the shop: tests/integration/test_streams_process.py and test_inbox_brokers.py.
        del self.services["publisher"], self.services["receiver"]
        self.servers = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "BROKER_URL": redis_url}
        self.processes = {name: self._process(service) for name, service in self.services.items()}

    def here(self, text: str) -> str:
        for there, here in self.places.items():
            text = re.sub(rf"(?<!\d){re.escape(there)}(?!\d)", here, text)
        return text

    def environment(self, service: Service) -> dict[str, str]:
        """Nothing of ours, as in a container."""
        programs = Path(sys.executable).parent
        return {
            **{name: self.here(value) for name, value in service.environment.items()},
            **(self.servers if "DATABASE_URL" in service.environment else {}),
            "PATH": f"{programs}:{os.defpath}",
            "FRONT_NGINX": str(nginx_program()),
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "orderproject.settings",
        }

    def _process(self, service: Service) -> Process:
        command = tuple(self.here(word) for word in service.command)
        spec = ProcessSpec(service.name, command, self.environment(service))
        return Process(spec, self.folder / "logs" / f"{service.name}.log")

    def run(self, name: str) -> None:
        process = self.processes[name]
        process.start()
        assert process.wait(READY_WITHIN), process.failure_message("did not end")
        assert process.returncode == 0, process.failure_message(how_it_ended(process.returncode))

    def healthy(self, name: str) -> bool:
        service = self.services[name]
        command = [self.here(word) for word in service.check]
        check = subprocess.run(
            command, cwd=PROJECT, env=self.environment(service), capture_output=True, timeout=60, check=False
        )
        return check.returncode == 0

    def healthy_of(self, names: Collection[str]) -> set[str]:
        """Asked at once: a check may take its ten seconds to say no."""
        with ThreadPoolExecutor() as threads:
            return {name for name, healthy in zip(names, threads.map(self.healthy, names), strict=True) if healthy}

    def await_health(self, names: Collection[str]) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while waiting := set(names) - self.healthy_of(names):
            for process in (self.processes[name] for name in waiting):
                assert process.running, process.failure_message(how_it_ended(process.returncode))
                assert time.monotonic() < deadline, process.failure_message("did not become healthy")
            names = waiting

    def ask(self, program: str) -> str:
        web = self.environment(self.services["web"])
        shell = [sys.executable, "manage.py", "shell", "--no-imports", "-c", program]
        done = subprocess.run(shell, cwd=PROJECT, env=web, capture_output=True, text=True, timeout=90, check=False)
        return done.stdout + done.stderr

    @property
    def front(self) -> str:
        """Its address, as that of a shop behind a proxy with TLS."""
        return f"http://127.0.0.1:{self.places['8080']}"

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()


@pytest.fixture
def database_url() -> Iterator[str]:
    """A database of their own beside that of the tests."""
    url, name = os.environ["DATABASE_URL"], f"compose_{secrets.token_hex(4)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield f"{url.rpartition('/')[0]}/{name}"
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def composition(tmp_path: Path, database_url: str) -> Iterator[Composition]:
    server, _, number = os.environ["REDIS_URL"].rpartition("/")
    composition = Composition(tmp_path, database_url, f"{server}/{int(number) + APART}")
    yield composition
    composition.stop()


def test_they_serve_an_order_and_stop_when_told(composition: Composition) -> None:
    composition.run("migrate")
    lasting = {name: process for name, process in composition.processes.items() if name != "migrate"}
    for process in lasting.values():
        process.start()
    composition.await_health(lasting.keys())

    assert "the order is confirmed" in composition.ask(ORDER), stories(lasting)
    secure = {"X-Forwarded-Proto": "https"}
    for path in ("orders/", "stream/"):
        answer = httpx.get(f"{composition.front}/api/v1/{path}", headers=secure)
        assert (answer.status_code, answer.json()["type"]) == (401, "not-authenticated"), stories(lasting)

    for process in lasting.values():
        process.terminate()
    told = time.monotonic()
    for name, process in lasting.items():
        process.wait(max(0.0, told + composition.services[name].grace - time.monotonic()))
        assert process.returncode == 0, process.failure_message(how_it_ended(process.returncode))


def test_a_check_notices_what_is_not_there(composition: Composition) -> None:
    assert composition.healthy_of(composition.services.keys() - {"migrate"}) == set()


def stories(processes: dict[str, Process]) -> str:
    return "\n\n".join(process.failure_message("said") for process in processes.values())
