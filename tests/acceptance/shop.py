"""A shop in a few words, over the real processes: stock, place, and see how it ends."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4

import httpx
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections
from redis import Redis

from events.breakers.breaker import breakers
from events.models import Delivery
from inventory.models import Product, Stock, Warehouse
from orderproject.celery import app
from orderproject.stack.deployment import FLOWER, Deployment
from orderproject.stack.ports import HOST, free_port
from orderproject.stack.process_specs import waves
from orderproject.stack.processes import Process
from orders.events import Goods
from orders.fulfilment.service import deliver, return_items, ship
from orders.models import Order
from orders.selectors import payments_of
from orders.services import Placement, Wanted, place
from sagas.models import SagaRun
from tests.reconcile import reconcile

ADDRESS = {"name": "Ada", "line1": "1 Loop Road", "city": "Berlin", "postalCode": "10115", "country": "DE"}
OPEN = {"pending"}


@dataclass
class PlacedOrder:
    id: UUID
    shop: Shop

    @property
    def row(self) -> Order:
        return Order.objects.get(id=self.id)

    def settles(self, within: float = 30.0) -> str:
        """The status in which the order ends, once its saga and its deliveries have ended too."""
        self.shop.wait_until(lambda: self.row.status not in OPEN and not self.shop.busy(), within)
        return self.row.status

    def ships(self, *items: tuple[str, int]) -> None:
        ship(self.id, _goods(items), carrier="DHL", tracking_number="JD0140")

    def arrives(self) -> None:
        deliver(self.id)

    def comes_back(self, *items: tuple[str, int]) -> None:
        return_items(self.id, _goods(items), reason="too red")

    @property
    def payment(self) -> str:
        payment = payments_of([self.id]).get(self.id)
        return payment.status if payment else "pending"


def _goods(items: Sequence[tuple[str, int]]) -> list[Goods]:
    return [Goods(sku=sku, quantity=quantity) for sku, quantity in items]


@dataclass
class Shop:
    """The processes, and what a test says of them."""

    folder: Path
    deployment: Deployment
    processes: dict[str, Process]
    stocked: dict[str, int] = field(default_factory=dict)

    def stock(self, sku: str, *on_hand: int, price: str = "10.00") -> None:
        """So many in each warehouse, the first one first."""
        product = Product.objects.create(sku=sku, name=sku.title(), price=Decimal(price))
        for number, quantity in enumerate(on_hand, start=1):
            warehouse, _ = Warehouse.objects.get_or_create(
                code=f"W{number}", defaults={"name": str(number), "priority": number}
            )
            Stock.objects.create(product=product, warehouse=warehouse, on_hand=quantity)
        self.stocked[sku] = sum(on_hand)

    def places(self, sku: str, quantity: int = 1, pays: str = "tok_visa") -> PlacedOrder:
        wanted = [Wanted(sku, quantity)]
        return PlacedOrder(place(Placement(uuid4(), "EUR", "ada@example.com", pays, ADDRESS, wanted)).id, self)

    def available(self, sku: str) -> int:
        return sum(stock.available for stock in Stock.objects.filter(product_id=sku))

    def on_hand(self, sku: str) -> int:
        return sum(Stock.objects.filter(product_id=sku).values_list("on_hand", flat=True))

    def tasks_in_flower(self, search: str = "") -> list[dict[str, Any]]:
        """As Flower shows them, asked past front."""
        url = f"http://{HOST}:{self.deployment.flower_port}{FLOWER}/api/tasks"
        login = httpx.BasicAuth(*self.deployment.flower_login.split(":"))
        answer = httpx.get(url, params={"search": search}, auth=login, timeout=20)
        return list(answer.raise_for_status().json().values())

    def mails(self) -> list[str]:
        return [file.read_text() for file in self.deployment.mail.glob("*.eml")]

    def busy(self) -> bool:
        return (
            SagaRun.objects.filter(state__in=["running", "compensating"]).exists()
            or Delivery.objects.filter(state="pending").exists()
        )

    def wait_until(self, done: Callable[[], bool], within: float) -> None:
        deadline = time.monotonic() + within
        while not done():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {within} s; logs: {self.logs()}")
            time.sleep(0.02)

    def logs(self) -> str:
        return "\n".join(f"--- {name}\n{process.log_tail()}" for name, process in self.processes.items())

    def reconcile(self) -> list[str]:
        return reconcile(self.stocked, self.deployment.sandbox_url, self.deployment.mail)


@contextmanager
def open_shop(
    folder: Path,
    *names: str,
    valkey_url: str = "",
    broker_url: str = "",
    database_port: int = 0,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Shop]:
    """Starts the named processes of the stack on the test's own database and broker, and stops them.

    `valkey_url` puts another Valkey in the place of the tests' own, `broker_url` another broker; `database_port` leads
    to PostgreSQL by a detour. `variables` go into the environment of the processes.
    """
    app.control.purge()
    # What workers held that other tests killed: after the visibility timeout it would come back to its queue.
    with Redis.from_url(settings.BROKER_URL) as server:
        server.delete("unacked", "unacked_index")
    for breaker in breakers():
        breaker.forget()
    database = connection.settings_dict
    login = f"{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database_port or database['PORT']}"
    deployment = Deployment(
        data=folder,
        database_url=f"postgres://{login}/{database['NAME']}",
        broker_url=broker_url or valkey_url or settings.BROKER_URL,
        redis_url=valkey_url or settings.REDIS_URL,
        secret_key=settings.SECRET_KEY,
        port=free_port(),
        sandbox_port=free_port(),
        flower_port=free_port(),
        environment="test",
    )
    specs = [
        replace(spec, env={**(spec.env or {}), **variables})
        for wave in waves(deployment)
        for spec in wave
        if spec.name in names
    ]
    processes = {spec.name: Process(spec, folder / "logs" / f"{spec.name}.log") for spec in specs}
    try:
        for process in processes.values():
            process.start()
        for process in processes.values():
            process.wait_ready()
        yield Shop(folder, deployment, processes)
    finally:
        for process in reversed(processes.values()):
            process.stop()
        connections.close_all()
        call_command("flush", interactive=False, verbosity=0)
        shutil.rmtree(folder, ignore_errors=True)
