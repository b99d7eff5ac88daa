"""What Flower shows of orders, to whom, and that it still shows it after a restart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.test import Client, override_settings
from django.urls import reverse

from desk.flower import tasks_in_flower
from orderproject.models import User
from orderproject.stack.deployment import FLOWER
from orderproject.stack.ports import HOST
from tests.acceptance.shop import PlacedOrder, Shop, open_shop

PROCESSES = (
    "sandbox", "front", "web", "worker-core", "worker-calls", "worker-network", "relay", "beat", "flower",
)  # fmt: skip
PLACED = {"orders.PlaceOrder", "inventory.hold_stock", "payments.authorize_payment"}
CONFIRMED = PLACED | {
    "payments.capture_payment", "inventory.commit_stock", "orders.confirm_order", "notifications.mail_confirmation",
    "orders.daily_sales",
}  # fmt: skip
PAGES = ("", "workers", "tasks", "broker", "api/workers", "api/tasks", "api/task/types")
COMMANDS = (
    "api/task/async-apply/sagas.sweep", "api/task/send-task/sagas.sweep", "api/task/revoke/x",
    "api/worker/shutdown/core", "api/worker/pool/grow/core", "tasks",
)  # fmt: skip
CLOSED = ("metrics", "healthcheck")
OUTAGE = 12
"""Orders that meet an outage: enough to open the breaker."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shop(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with django_db_blocker.unblock(), open_shop(tmp_path_factory.mktemp("shop"), *PROCESSES) as shop:
        for name in ("operators", "auditors", "warehouse"):
            User.objects.create_user(name, is_staff=True).groups.add(Group.objects.get_or_create(name=name)[0])
        User.objects.create_user("customer")
        yield shop


def browser(shop: Shop, name: str = "") -> httpx.Client:
    """Logged in to the admin as this user; a stranger without a name."""
    client = httpx.Client(base_url=f"{shop.deployment.url}{FLOWER}/", timeout=20)
    if name:
        session = Client()
        session.force_login(User.objects.get(username=name), backend="django.contrib.auth.backends.ModelBackend")
        client.cookies.set(settings.SESSION_COOKIE_NAME, session.cookies[settings.SESSION_COOKIE_NAME].value)
    return client


def tasks_of(shop: Shop, order: PlacedOrder | None = None, search: str = "") -> list[dict[str, Any]]:
    """As Flower shows them, those of one order or those that are found."""
    return shop.tasks_in_flower(f"args:{order.row.number}" if order else search)


def wait_for_tasks(shop: Shop, order: PlacedOrder, names: set[str]) -> list[dict[str, Any]]:
    shop.wait_until(lambda: names <= {task["name"] for task in tasks_of(shop, order)}, 20)
    return tasks_of(shop, order)


# --- what it shows -----------------------------------------------------------------------------------------


def test_each_step_and_each_subscriber_shows_with_the_orders_number(shop: Shop) -> None:
    shop.stock("SHOWN", 5)
    order = shop.places("SHOWN")
    assert order.settles() == "confirmed"
    tasks = wait_for_tasks(shop, order, CONFIRMED)
    assert {task["state"] for task in tasks} == {"SUCCESS"}
    assert {task["args"] for task in tasks} == {f"('{order.row.number}',)"}
    for name in CONFIRMED:
        assert len([task for task in tasks if task["name"] == name]) == 1, f"{name} was done once"
    by_name = {task["name"]: task for task in tasks}
    assert by_name["orders.PlaceOrder"]["worker"].startswith("relay@")
    assert by_name["inventory.commit_stock"]["worker"].startswith("calls@")
    assert by_name["payments.capture_payment"]["kwargs"] == "{'kind': 'step'}"
    assert by_name["notifications.mail_confirmation"]["kwargs"] == "{'kind': 'subscriber'}"
    assert by_name["orders.confirm_order"]["runtime"] > 0
    assert "ada@example.com" not in str(tasks)


def test_a_declined_card_shows_as_a_failure_and_its_undos_as_tasks(shop: Shop) -> None:
    shop.stock("DECLINED", 5)
    order = shop.places("DECLINED", pays="tok_declined")
    assert order.settles() == "cancelled"
    tasks = wait_for_tasks(shop, order, {*PLACED, "inventory.release_stock", "orders.cancel_order"})
    (refused,) = [task for task in tasks if task["name"] == "payments.authorize_payment"]
    assert (refused["state"], refused["exception"]) == ("FAILURE", "Refused: card_declined")
    undos = [task for task in tasks if task["kwargs"] == "{'kind': 'undo'}"]
    assert {task["name"] for task in undos} >= {"inventory.release_stock", "orders.cancel_order"}
    assert {task["state"] for task in undos} == {"SUCCESS"}


def test_an_outage_shows_as_retries_with_the_error_and_what_waits_for_its_end_as_postponed(shop: Shop) -> None:
    shop.stock("OUTAGE", 2 * OUTAGE)
    control(shop, on=True)
    try:
        orders = [shop.places("OUTAGE") for _ in range(OUTAGE)]
        shop.wait_until(lambda: bool(retries(shop, "Postponed: the breaker payments is open")), 20)
        failed = [task for task in retries(shop, "") if not task["exception"].startswith("Postponed")]
        assert failed
        assert {task["exception"].partition(":")[0] for task in failed} == {"GatewayUnavailable"}
        assert all("sandbox.py" in task["traceback"] for task in failed)
    finally:
        control(shop, on=False)
    assert {order.settles(60) for order in orders} == {"confirmed"}
    for task in wait_for_tasks(shop, orders[0], CONFIRMED):
        assert task["state"] == ("RETRY" if task["exception"] else "SUCCESS")


def retries(shop: Shop, error: str) -> list[dict[str, Any]]:
    found = tasks_of(shop, search="state:RETRY name:payments.authorize_payment")
    return [task for task in found if task["exception"].startswith(error)]


def control(shop: Shop, *, on: bool) -> None:
    httpx.post(f"{shop.deployment.sandbox_url}/control/outage", json={"on": on}).raise_for_status()


def test_sweeps_are_told_apart_and_idle_ones_take_one_place(shop: Shop) -> None:
    shop.wait_until(
        lambda: "sagas.sweep" in {task["name"] for task in tasks_of(shop, search="kwargs:kind=periodic")}, 20
    )
    sweeps = tasks_of(shop, search="name:sagas.sweep")
    assert len([task for task in sweeps if task["result"] == "0"]) == 1
    assert {task["kwargs"] for task in sweeps} == {"{'kind': 'periodic'}"}
    orders = tasks_of(shop, search="kwargs:kind=step OR kwargs:kind=undo OR kwargs:kind=subscriber")
    assert not {task["name"] for task in orders} & {
        task["name"] for task in tasks_of(shop, search="kwargs:kind=periodic")
    }


def test_the_orders_page_leads_to_its_tasks_and_a_task_back_to_the_page(shop: Shop) -> None:
    shop.stock("LINKED", 5)
    order = shop.places("LINKED")
    order.settles()
    task = wait_for_tasks(shop, order, CONFIRMED)[0]
    url, page = shop.deployment.url, reverse("admin:orders_order_change", args=[order.id])
    with browser(shop, "operators") as client, override_settings(FLOWER_URL=FLOWER):
        link = tasks_in_flower(order.row.number)
        search = f"state:{parse_qs(urlsplit(link).query)['state'][0]}"
        assert {one["args"] for one in tasks_of(shop, search=search)} == {task["args"]}
        assert client.get(f"{url}{link}").status_code == 200
        found = client.get(f"task/{task['uuid']}").text
        root = f"{FLOWER}/task/order%3A{order.id}"
        assert root in found
        assert client.get(f"{url}{root}").headers["Location"].endswith(page)
        assert link.replace("&", "&amp;") in client.get(f"{url}{page}").text


# --- to whom -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_who_may_see_flower(shop: Shop, page: str) -> None:
    for name, status in (("", 302), ("customer", 302), ("warehouse", 403), ("operators", 200), ("auditors", 200)):
        with browser(shop, name) as client:
            answer = client.get(page)
            assert answer.status_code == status, (name or "stranger", page)
            if status == 302:
                assert answer.headers["Location"].endswith(f"/admin/login/?next={FLOWER}/{page}")
            if status == 200:
                assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("command", COMMANDS)
def test_nobody_gives_commands(shop: Shop, command: str) -> None:
    for name in ("", "customer", "auditors", "operators"):
        with browser(shop, name) as client:
            answer = client.post(command, headers={"Origin": shop.deployment.url})
            assert answer.status_code == 405, name
            assert answer.headers["Allow"] == "GET, HEAD"
    login = httpx.BasicAuth(*shop.deployment.flower_login.split(":"))
    answer = httpx.post(f"{inside(shop)}/{command}", auth=login)
    assert answer.status_code in {403, 405}, "read only inside too"


def test_the_table_of_tasks_may_ask_with_post(shop: Shop) -> None:
    asked = {
        "draw": 1,
        "start": 0,
        "length": 15,
        "search[value]": "",
        "order[0][column]": 0,
        "columns[0][data]": "name",
    }
    answers = {}
    for name in ("", "warehouse", "operators"):
        with browser(shop, name) as client:
            answers[name] = client.post("tasks/datatable", data=asked)
    assert {name: answer.status_code for name, answer in answers.items()} == {
        "": 302,
        "warehouse": 403,
        "operators": 200,
    }
    assert answers["operators"].json()["draw"] == 1


def inside(shop: Shop) -> str:
    """Past front."""
    return f"http://{HOST}:{shop.deployment.flower_port}{FLOWER}"


@pytest.mark.parametrize("page", CLOSED)
def test_metrics_and_health_are_closed(shop: Shop, page: str) -> None:
    with browser(shop, "operators") as client:
        assert client.get(page).status_code == 404
    assert httpx.get(f"{inside(shop)}/{page}").status_code == 401


@pytest.mark.parametrize("page", [*PAGES, *CLOSED])
def test_past_front_nothing_opens_without_the_log_in_that_only_front_knows(shop: Shop, page: str) -> None:
    assert httpx.get(f"{inside(shop)}/{page}").status_code == 401
    assert httpx.get(f"{inside(shop)}/{page}", auth=("admin", "admin")).status_code == 401


def test_flower_gets_no_session(shop: Shop) -> None:
    """Its page of an error would show the request's headers."""
    configuration = (shop.folder / "front" / "nginx.conf").read_text()
    assert 'proxy_set_header Cookie ""' in configuration
    assert (shop.folder / "front" / "flower.conf").stat().st_mode & 0o077 == 0


# --- after a restart ---------------------------------------------------------------------------------------


def test_it_remembers_the_tasks_after_a_restart(shop: Shop) -> None:
    shop.stock("KEPT", 5)
    order = shop.places("KEPT")
    order.settles()
    before = {task["uuid"]: task["state"] for task in wait_for_tasks(shop, order, CONFIRMED)}
    flower = shop.processes["flower"]
    flower.stop()
    flower.start()
    flower.wait_ready()
    assert {task["uuid"]: task["state"] for task in tasks_of(shop, order)} == before
    assert tasks_of(shop, order)[0]["args"] == f"('{order.row.number}',)"
