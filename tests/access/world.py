"""A shop with something of every kind in it, and people of every role."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from django.apps import apps
from django.contrib.admin.utils import quote as quote_key
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from desk import audit
from events.breakers.breaker import breakers
from events.dead_letters.queries import letter_id
from events.models import DeadMessage, Replay
from inventory.models import Hold, Reservation, Stock
from notifications.models import Kind, WebhookDelivery
from orderproject.accounts import api_keys
from orderproject.accounts.auth import access_token
from orderproject.accounts.groups import NAMES
from orderproject.models import ApiKey, User
from orders.models import DailySales, Order, Return
from payments.models import Payment, Refund
from publishing.models import Cursor, HeldStream, Inbox, ReceivedEvent, UnreadableMessage
from sagas.plan import RunState, StepState
from tests import stories
from tests.access.addresses import Address
from tests.integration.api import BASE, client_of, place, product

ROLES = ("stranger", "customer", "other customer", *NAMES, "superuser")
STAFF = (*NAMES, "superuser")


@dataclass
class World:
    """`customer` owns the order and the webhook; `ids` are the parameters of addresses of the API."""

    people: dict[str, User] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._people()
        order = self._order()
        self._of_staff(order)
        self._webhook()

    def _people(self) -> None:
        for role in ROLES[1:]:
            person = User.objects.create_user(role.replace(" ", "-"), is_staff=role in STAFF)
            if role in NAMES:
                person.groups.add(Group.objects.get(name=role))
            self.people[role] = person
        User.objects.filter(id=self.people["superuser"].id).update(is_superuser=True)
        self.people["superuser"].refresh_from_db()

    def _order(self) -> Order:
        product("MUG-RED", stock=1000)
        placed = place(client_of(self.people["customer"]))
        order = Order.objects.get(id=placed.json()["id"])
        run = stories.saga_run(order.id, RunState.STUCK, {"hold_stock": StepState.STUCK})
        letter = letter_id(stories.dead_delivery(order).id)
        stories.told(order, Kind.CONFIRMATION)
        self.ids |= {"order_id": str(order.id), "run_id": str(run.id), "letter": str(letter), "sku": "MUG-RED"}
        self.ids["return_id"] = str(Return.objects.create(order=order, reason="broken", refund=1).pk)
        return order

    def _of_staff(self, order: Order) -> None:
        stories.confirmed()
        payment = Payment.objects.first()
        assert payment
        Refund.objects.create(key="refund", payment=payment, amount=1, refund_id="re_1")
        DailySales.objects.create(
            build=1, day=timezone.now().date(), currency="EUR", confirmed=1, revenue=1, cancelled=0, returned=0,
            refunded=0,
        )  # fmt: skip
        DeadMessage.objects.create(
            queue="orders", task="orders.gone", reason="unknown_task", headers="{}", properties="{}", body=b"{}",
            received_at=datetime.now(UTC),
        )  # fmt: skip
        replay = Replay.objects.create(
            subscriber="orders.daily_sales", expected=1, due_at=timezone.now(), started_by="superuser",
            started_at=timezone.now(), boundary=1,
        )  # fmt: skip
        api_keys.issue(ApiKey(user=self.people["customer"], name="of a server"), actor="superuser")
        audit.record("superuser", "retry", "delivery", [order.id], reason="to have one")
        self.ids |= {"replay_id": str(replay.id), "type": "order.created", "version": "1.0"}
        self.ids |= {"name": breakers()[0].name, "action": "open", "url": "nothing", "app_label": "orders"}
        self.ids["customer_id"] = str(self.people["customer"].pk)
        self.ids["content_type_id"] = str(ContentType.objects.get_for_model(Order).pk)
        Cursor.objects.create(publisher="kafka", slot=0, slots=1, first=0, position=0)
        Inbox.objects.create(source="carrier", broker="kafka")
        ReceivedEvent.objects.create(
            source="carrier", foreign_source="carrier", foreign_id="1", position=1, received_at=timezone.now()
        )
        UnreadableMessage.objects.create(
            source="carrier", broker="kafka", place="parcels", reason="no-event", error="no", headers="{}", body=b"no",
            digest=b"", received_at=timezone.now(),
        )  # fmt: skip
        HeldStream.objects.create(publisher="kafka", stream=f"order:{order.id}", position=1, since=timezone.now())
        Hold.objects.create(
            reservation=Reservation.objects.earliest("pk"), stock=Stock.objects.earliest("pk"), quantity=1
        )

    def _webhook(self) -> None:
        client = client_of(self.people["customer"])
        made = client.post(f"{BASE}webhooks/", {"url": "https://93.184.216.34/", "eventTypes": ["order.*"]})
        assert made.status_code == 201, made.content
        client.post(f"{BASE}webhooks/{made.json()['id']}/test/")
        delivery = WebhookDelivery.objects.get()
        self.ids |= {"webhook_id": made.json()["id"], "delivery_id": str(delivery.id)}

    # --- asking ----------------------------------------------------------------------------------------------

    def client(self, role: str) -> Client:
        """Logged in, for the admin by a session and for the API by a token."""
        person = self.people.get(role)
        if person is None:
            return Client()
        client = Client(headers={"Authorization": f"Bearer {access_token(person)}"})
        client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
        return client

    def values(self, address: Address) -> dict[str, str]:
        """What stands for each parameter, quoted: something that there is, where the world holds it."""
        return {name: quote(self._value(address, name), safe="") for name in address.parameters}

    def _value(self, address: Address, name: str) -> str:
        if address.model is not None and name in {"object_id", "id"}:
            return key_of(address.model) or str(uuid4())
        if name in self.ids:
            return self.ids[name]
        kind = name.removesuffix("_id")
        model = next((one for one in apps.get_models() if one._meta.model_name == kind), None)
        return (key_of(model) if model else None) or str(uuid4())


def key_of(model: type[Model]) -> str | None:
    """The key of the first row, as addresses of the admin have it. A user is a customer: staff may be out of reach."""
    if not model._meta.managed:
        return None
    rows: Any = model._default_manager
    row = rows.get(username="customer") if model is User else rows.order_by("pk").first()
    return None if row is None else str(quote_key(row.pk))


@contextmanager
def forgotten() -> Iterator[None]:
    """Undoes in the database whatever is done within."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def kept_logged_in(client: Client) -> Iterator[None]:
    """Restores the cookies afterwards, whatever the answer set or deleted."""
    cookies = SimpleCookie(client.cookies.output(header="", sep=";"))
    try:
        yield
    finally:
        client.cookies = cookies
