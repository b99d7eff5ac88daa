"""The real stack, as `make run` starts it."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.stackrun import StackRun, command_line, parents_of_all, until

pytestmark = [
    pytest.mark.slow,
    # Each of them keeps all cores busy while it starts.
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes as Linux shows them"),
]

PROGRAM = ("-m", "orderproject.stack")
READY = "Serving until Ctrl-C"
START = 90.0
PROCESSES = {
    "sandbox": "payments.sandbox",
    "front": "nginx: master",
    "web": "gunicorn",
    "live": "orderproject.live",
    "worker-core": "core@",
    "worker-calls": "calls@",
    "worker-network": "network@",
    "relay": "manage.py relay",
    "beat": "orderproject beat",
    "flower": "orderproject flower",
    "valkey": "valkey-server",
    "postgres": "postgres -D",
}


class Shop:
    def __init__(self, stack: StackRun) -> None:
        self.http = httpx.Client(base_url=stack.variable("PUBLIC_URL"), timeout=10)

    def log_in(self, name: str = "customer") -> None:
        """Of the stack's people, each has their name as password."""
        login = {"username": name, "password": name}
        answer = self.http.post("/api/v1/auth/token/", json=login)
        self.http.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access']}"

    def places(self) -> str:
        order = {
            "currency": "EUR",
            "email": "a@example.com",
            "paymentToken": "tok_visa",
            "shippingAddress": {
                "name": "A",
                "line1": "Street 1",
                "city": "Berlin",
                "postalCode": "10115",
                "country": "DE",
            },
            "items": [{"sku": "FILTER-100", "quantity": 1}],
        }
        answer = self.http.post("/api/v1/orders/", json=order, headers={"Idempotency-Key": str(uuid4())})
        return str(answer.raise_for_status().json()["id"])

    def status(self, order: str) -> str:
        return str(self.http.get(f"/api/v1/orders/{order}/").raise_for_status().json()["status"])

    def confirms(self, order: str, within: float = 30.0) -> None:
        until(lambda: self.status(order) == "confirmed", within, lambda: self.status(order))

    def answers(self) -> bool:
        try:
            return self.http.get("/livez").status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all: each test finds what the one before it left."""
    return tmp_path_factory.mktemp("stack")


@pytest.fixture
def stack(data: Path) -> Iterator[StackRun]:
    with StackRun(data, *PROGRAM, DEMO="0") as started:
        started.says(READY, START)
        yield started


def test_it_shows_sample_orders_and_serves_every_page_that_it_names(data: Path) -> None:
    with StackRun(data, *PROGRAM) as stack:
        stack.says(READY, START)
        assert "The sample orders failed with code" not in stack.output
        for line in ("Shop API", "Admin", "Flower", "Mail", "Logs"):
            assert f"\n  {line} " in stack.output

        web, flower = stack.variable("PUBLIC_URL"), stack.variable("FLOWER_URL")
        assert httpx.get(f"{web}/api/v1/docs/").status_code == 200
        assert httpx.get(f"{web}/admin/login/").status_code == 200
        assert httpx.get(f"{web}{flower}/").headers["Location"].endswith(f"/admin/login/?next={flower}/")
        assert Path(stack.variable("MAIL_DIR")).is_dir()


def test_ctrl_c_ends_it_within_15_seconds_and_the_next_start_knows_the_orders(stack: StackRun, data: Path) -> None:
    shop = Shop(stack)
    shop.log_in()
    order = shop.places()
    shop.confirms(order)
    processes = stack.descendants()

    began = time.monotonic()
    stack.signal(signal.SIGINT)

    assert stack.ends() == 0
    assert time.monotonic() - began < 15
    assert not processes & set(parents_of_all())
    assert "Traceback" not in stack.output
    with StackRun(data, *PROGRAM, DEMO="0") as again:
        again.says(READY, START)
        shop = Shop(again)
        shop.log_in()
        assert shop.status(order) == "confirmed"


def test_every_process_that_is_killed_comes_back_and_orders_go_on(stack: StackRun) -> None:
    shop = Shop(stack)
    shop.log_in()
    waiting = [shop.places() for _ in range(5)]
    for name, command in PROCESSES.items():
        os.kill(stack.child(command), signal.SIGKILL)
        stack.says(f"{name} was ended by SIGKILL. Restarting it")
    until(shop.answers, within=30)
    waiting.append(shop.places())
    for order in waiting:
        shop.confirms(order, within=120)


def test_nothing_is_left_after_kill_9(stack: StackRun) -> None:
    processes = stack.descendants()
    assert len(processes) >= len(PROCESSES) + 2, "gunicorn's workers are children of a child"
    stack.signal(signal.SIGKILL)
    stack.ends()
    until(
        lambda: not processes & set(parents_of_all()),
        within=15,
        story=lambda: [command_line(pid) for pid in processes & set(parents_of_all())],
    )
