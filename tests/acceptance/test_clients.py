"""Programs that know the API by its own description: a client that is generated from it, and the one for a terminal."""

import importlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from uuid import uuid4

import httpx
import pytest

from orderproject.demo import client as terminal
from orderproject.demo.shop import Session
from orderproject.models import User
from tests.acceptance.client import PASSWORD
from tests.acceptance.shop import ADDRESS, Shop

PROCESSES = ("sandbox", "front", "web", "live", "worker-core", "worker-calls", "worker-network", "relay", "beat")


@pytest.fixture
def customer(shop: Shop) -> User:
    shop.stock(f"CLIENT-{uuid4().hex[:6]}", 10)
    return User.objects.create_user(f"customer-{uuid4().hex[:8]}", "c@example.com", PASSWORD)


@pytest.fixture
def generated(shop: Shop, tmp_path: Path) -> Iterator[ModuleType]:
    """The package that openapi-python-client makes of the running shop's schema, without a word of complaint."""
    schema, config = tmp_path / "schema.json", tmp_path / "config.yaml"
    schema.write_bytes(httpx.get(f"{shop.deployment.url}/api/v1/schema/?format=json").raise_for_status().content)
    config.write_text("post_hooks: []\n")
    tool = Path(sys.executable).with_name("openapi-python-client")
    options = ("--path", schema, "--config", config, "--output-path", tmp_path / "shop_client")
    command: tuple[str | Path, ...] = (tool, "generate", *options, "--meta", "none", "--fail-on-warning")
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    sys.path.insert(0, str(tmp_path))
    try:
        yield importlib.import_module("shop_client")
    finally:
        sys.path.remove(str(tmp_path))
        for name in [name for name in sys.modules if name.partition(".")[0] == "shop_client"]:
            del sys.modules[name]


def part(client: ModuleType, name: str) -> ModuleType:
    return importlib.import_module(f"{client.__name__}.{name}")


def test_a_generated_client_places_an_order_and_follows_it(shop: Shop, customer: User, generated: ModuleType) -> None:
    models = part(generated, "models")
    anybody = generated.Client(base_url=shop.deployment.url)
    credentials = models.Login(username=customer.username, password=PASSWORD)
    access = part(generated, "api.auth.login").sync(client=anybody, body=credentials)
    client = generated.AuthenticatedClient(base_url=shop.deployment.url, token=access.access)

    (sku,) = [sku for sku in shop.stocked if shop.available(sku) == 10][-1:]
    new = models.NewOrder(
        currency="EUR",
        email="ada@example.com",
        payment_token="tok_visa",
        shipping_address=models.Address.from_dict(ADDRESS),
        items=[models.NewItem(sku=sku, quantity=2)],
    )
    place = part(generated, "api.orders.place_order").sync_detailed
    placed = place(client=client, body=new, idempotency_key=str(uuid4()))
    assert placed.status_code == 201
    assert isinstance(placed.parsed, models.Order)

    read = part(generated, "api.orders.get_order").sync
    for _ in range(200):
        order = read(client=client, order_id=placed.parsed.id)
        if order.status != "pending":
            break
        time.sleep(0.1)
    assert order.status == "confirmed"
    assert order.items[0].line_total.amount == "20.00"

    events = part(generated, "api.orders.list_order_events").sync(client=client, order_id=order.id)
    assert [event.event_type for event in events] == ["order.created", "order.confirmed"]
    refused = place(
        client=client, body=models.NewOrder.from_dict({**new.to_dict(), "currency": "USD"}), idempotency_key="k"
    )
    assert isinstance(refused.parsed, models.Problem)
    assert refused.parsed.type_ == "wrong-currency"


def test_a_terminal_is_enough(
    shop: Shop, customer: User, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(tmp_path / "session.json")

    def run(*arguments: str) -> str:
        code = terminal.main(arguments, session)
        said = capsys.readouterr()
        assert code == 0, said.err
        return said.out

    sku = list(shop.stocked)[-1]
    monkeypatch.setenv("ORDERS_PASSWORD", PASSWORD)
    run("login", "--url", shop.deployment.url, "--username", customer.username)
    assert session.file.stat().st_mode & 0o077 == 0
    assert sku in run("products", "--search", sku)
    story = run("place", f"{sku}=3", "--watch")
    assert [word for word in story.split() if word.startswith("order.")] == ["order.created", "order.confirmed"]
    order_id = story.splitlines()[0].split()[-1]
    assert order_id in run("orders", "--status", "confirmed").replace("\n", "")
    assert "confirmed" in run("show", order_id)
    assert "pending" in run("show", order_id, "--at-version", "1")
    assert "cancelled" in run("cancel", order_id, "--reason", "changed my mind")
    assert "order.cancelled" in run("watch", order_id)

    assert terminal.main(["place", "NO-SUCH-THING"], session) == 1
    assert "#/items/0/sku: 'NO-SUCH-THING' is not for sale." in capsys.readouterr().err
    assert terminal.main(["show", str(uuid4())], Session(tmp_path / "none.json")) == 1
    assert "Log in first" in capsys.readouterr().err
