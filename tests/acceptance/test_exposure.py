"""What the stack shows others: it listens on this machine only, and no log or task says who a customer is.

For Flower's pages see test_flower.py.
"""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest

from orderproject.models import User
from orderproject.stack.ports import HOST
from orderproject.stack.process_specs import waves
from tests.acceptance.client import PASSWORD, Client
from tests.acceptance.shop import ADDRESS, Shop, open_shop

pytestmark = pytest.mark.slow

MARKER = f"zorblax{uuid4().hex[:8]}"
PROCESSES = (
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


@pytest.fixture(scope="module")
def shop(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with django_db_blocker.unblock(), open_shop(tmp_path_factory.mktemp("shop"), *PROCESSES) as shop:
        yield shop


@pytest.fixture(scope="module")
def customer(shop: Shop) -> Client:
    """Wherever a person can write, their text contains the marker."""
    user = User.objects.create_user(
        f"{MARKER}-ada", f"ada@{MARKER}.example", PASSWORD, first_name=MARKER, last_name=MARKER
    )
    client = Client(shop.deployment.url, user)
    shop.stock("MUG", 50)
    return client


def order_of(customer: Client, pays: str) -> dict[str, Any]:
    body = {
        "currency": "EUR",
        "email": f"order@{MARKER}.example",
        "paymentToken": pays,
        "shippingAddress": {**ADDRESS, "name": MARKER, "line1": f"1 {MARKER} Road", "city": MARKER},
        "items": [{"sku": "MUG", "quantity": 1}],
    }
    answer = customer.http.post("orders/", json=body, headers={"Idempotency-Key": f"{MARKER}-{uuid4()}"})
    order: dict[str, Any] = answer.raise_for_status().json()
    return order


@pytest.fixture(scope="module")
def traffic(shop: Shop, customer: Client) -> Shop:
    """Good orders, declined ones, refusals, failures, and what their logs say."""
    good, cancelled, _, _ = (
        order_of(customer, pays) for pays in ("tok_visa", "tok_visa", "tok_declined", f"tok_{MARKER}")
    )
    shop.wait_until(lambda: not shop.busy(), 60)
    reason = {"reason": f"{MARKER} moved"}
    customer.http.post(f"orders/{cancelled['id']}/cancel/", json=reason).raise_for_status()
    customer.http.post(
        "webhooks/", json={"url": f"https://{MARKER}.example/", "eventTypes": ["order.*"], "description": MARKER}
    ).raise_for_status()
    url = f"{shop.deployment.url}/api/v1/"
    refused = [
        customer.http.post("orders/", json={"email": MARKER}, headers={"Idempotency-Key": str(uuid4())}),
        customer.http.post("orders/", content=f'{{"{MARKER}'.encode(), headers={"Content-Type": "application/json"}),
        customer.http.get(f"orders/{good['id']}/", headers={"If-Match": f'"{MARKER}"'}),
        customer.http.get("orders/", params={"email": f"order@{MARKER}.example"}),
        httpx.post(f"{url}auth/token/", json={"username": f"{MARKER}-ada", "password": MARKER}),
        httpx.get(f"{url}orders/", headers={"Authorization": f"Bearer {MARKER}"}),
    ]
    assert [answer.status_code for answer in refused] == [400, 400, 200, 400, 401, 401]
    shop.wait_until(lambda: not shop.busy(), 60)
    return shop


def test_no_log_tells_who_a_customer_is(traffic: Shop) -> None:
    logs = [path for folder in ("logs", "front") for path in (traffic.folder / folder).rglob("*") if path.is_file()]
    assert {f"{name}.log" for name in PROCESSES} <= {path.name for path in logs}
    told = {
        path.name: [line for line in path.read_text(errors="replace").splitlines() if MARKER in line][:3]
        for path in logs
    }
    assert {name: lines for name, lines in told.items() if lines} == {}


def test_no_log_contains_a_token(traffic: Shop, customer: Client) -> None:
    token = customer.http.headers["Authorization"].partition(" ")[2]
    files = [path for path in (traffic.folder / "logs").iterdir() if path.is_file()]
    assert not [path.name for path in files if token in path.read_text(errors="replace")]
    assert not [path.name for path in files if PASSWORD in path.read_text(errors="replace")]


def test_the_mails_do_say_it(traffic: Shop) -> None:
    """Otherwise the search would find nothing because nothing happened."""
    assert any(MARKER in mail for mail in traffic.mails())


def test_flower_shows_no_personal_data(traffic: Shop) -> None:
    traffic.wait_until(lambda: bool(traffic.tasks_in_flower("state:FAILURE")), 20)
    tasks = traffic.tasks_in_flower()
    assert len(tasks) > 3
    assert MARKER not in str(tasks)


# --- Sockets ---------------------------------------------------------------------------------------------


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
