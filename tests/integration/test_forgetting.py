"""Forgetting a customer: a marker is put wherever a person can leave a trace, and is nowhere afterwards."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.mail import EmailMessage
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from desk import audit
from desk.forgetting import redacted
from desk.models import Audit
from desk.personal_data import FORGOTTEN, FORGOTTEN_EMAIL, redacting
from events.db import valkey
from events.log.context import acting
from events.log.verify import differences
from events.models import DeadMessage, Delivery, Replay, StoredEvent
from notifications.mailbox import MailboxBackend
from notifications.models import Kind, Notification, WebhookAttempt, WebhookDelivery
from notifications.services import notify
from notifications.webhooks import endpoints
from orderproject.accounts import api_keys
from orderproject.accounts.forgetting import forget_again
from orderproject.models import ApiKey, User
from orders.models import Order
from orders.selectors import summaries
from payments.models import Payment
from sagas.models import SagaRun
from sagas.plan import RunState, StepState
from tests import stories
from tests.integration.api import BASE, assert_problem, client_of, place, product, user

pytestmark = pytest.mark.django_db
MARKER = "zorblax"
HOUSE = {
    "name": f"Zorblax {MARKER}",
    "line1": f"1 {MARKER} Road",
    "city": MARKER,
    "postalCode": MARKER,
    "country": "DE",
}


@pytest.fixture
def staff() -> APIClient:
    return client_of(user("boss", is_staff=True, is_superuser=True))


@pytest.fixture
def customer() -> User:
    product("MUG-RED")
    made = user(f"{MARKER}.ada", first_name=MARKER, last_name=MARKER)
    made.email = f"private@{MARKER}.example"
    made.set_password("old-" + MARKER)
    made.save()
    return made


def forget(client: APIClient, id_: object, **changes: Any) -> Any:
    return client.post(f"{BASE}customers/{id_}/forget/", {"reason": "asked by letter", **changes})


def where() -> dict[str, int]:
    """The tables that hold the marker, in text or bytes, with the number of rows."""
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(
                f'SELECT count(*) FROM "{table}" one WHERE one::text ILIKE %s OR one::text ILIKE %s',  # noqa: S608
                [f"%{MARKER}%", f"%{MARKER.encode().hex()}%"],
            )
            if count := cursor.fetchone()[0]:
                found[table] = count
    return found


def mark(customer: User, staff: APIClient, mailbox: Path) -> tuple[UUID, UUID]:
    """Leaves a trace in every place that can hold one. Returns a delivered order and a cancelled one."""
    own = client_of(customer)
    house: dict[str, Any] = {
        "email": f"order@{MARKER}.example",
        "paymentToken": f"tok_{MARKER}",
        "shippingAddress": HOUSE,
    }
    kept, dropped = (UUID(place(own, ("MUG-RED", 2), **house).json()["id"]) for _ in range(2))
    _sell(kept, staff)
    with acting(customer.username):  # as it was recorded before actors had ids
        order = Order.objects.get(id=dropped)
        order.cancel(f"{MARKER} moved", f"to {MARKER}")
        order.save()
    _pay(dropped)
    _follow(kept, customer)
    notify(Kind.CONFIRMATION, [kept])
    MailboxBackend().send_messages([_letter(customer)])
    _log_in(customer)
    _hook(customer)
    _write_about(customer, kept)
    return kept, dropped


def _sell(order_id: UUID, staff: APIClient) -> None:
    order = Order.objects.get(id=order_id)
    order.confirm()
    order.save()
    items, page = [{"sku": "MUG-RED", "quantity": 2}], f"{BASE}orders/{order_id}/"
    shipped = {"items": items, "carrier": "DHL", "trackingNumber": "JD0140"}
    assert staff.post(f"{page}shipments/", shipped, headers={"Idempotency-Key": "1"}).status_code == 201
    assert staff.post(f"{page}deliver/").status_code == 200
    back = {"items": [{"sku": "MUG-RED", "quantity": 1}], "reason": f"too red for {MARKER}"}
    asked = staff.post(f"{page}returns/", back)
    assert asked.status_code == 202
    no = {"reason": f"{MARKER} wore it"}
    assert staff.post(f"{BASE}returns/{asked.json()['id']}/reject/", no).status_code == 202
    SagaRun.objects.update(state=RunState.DONE)


def _pay(order_id: UUID) -> None:
    payment = Payment(order_id=order_id, token=f"tok_{MARKER}", amount=1, currency="EUR", authorization_key="k")
    payment.fail("card_declined", f"the card of {MARKER}")
    payment.save()


def _follow(order_id: UUID, customer: User) -> None:
    """The sagas and deliveries of an order, and how they failed meanwhile."""
    run = stories.saga_run(order_id, RunState.UNDONE, {"x": StepState.UNDONE}, reason=(f"{MARKER}", f"{MARKER} left"))
    SagaRun.objects.filter(id=run.id).update(aborted=True, actor=customer.username)
    run.steps.update(error=f"no {MARKER}")
    dead = stories.dead_delivery(Order.objects.get(id=order_id), error=f"550 order@{MARKER}.example")
    Delivery.objects.filter(id=dead.id).update(edited_data={"reason": MARKER})
    audit.record("boss", "edit", "delivery", [dead.id], details={"before": {"reason": MARKER}})
    DeadMessage.objects.create(
        queue="orders", task="x", reason="malformed", error="", headers="{}", properties="{}",
        body=customer.username.encode(), received_at=datetime.now(UTC),
    )  # fmt: skip
    Replay.objects.create(
        subscriber="x", state="done", expected=0, due_at=datetime.now(UTC), started_by=customer.username,
        started_at=datetime.now(UTC),
    )  # fmt: skip


def _letter(customer: User) -> EmailMessage:
    headers = {"Message-ID": f"<{uuid4()}@notifications>"}
    return EmailMessage("Hello", f"Dear {MARKER}", to=[f"Ada <{customer.email}>"], headers=headers)


def _log_in(customer: User) -> None:
    login = {"username": customer.username, "password": "wrong"}
    assert APIClient().post(f"{BASE}auth/token/", login).status_code == 401
    Client().force_login(customer, backend="django.contrib.auth.backends.ModelBackend")
    key = ApiKey(user=customer, name=f"Laptop of {MARKER}")
    api_keys.issue(key, actor="boss")


def _hook(customer: User) -> None:
    hook, _ = endpoints.create(
        customer.pk, url=f"https://{MARKER}.example/", event_types=["*"], description=MARKER, everything=False
    )
    call = WebhookDelivery.objects.create(
        webhook=hook, event_id=1, due_at=datetime.now(UTC), created_at=datetime.now(UTC)
    )
    WebhookAttempt.objects.create(delivery=call, number=1, at=datetime.now(UTC), error=MARKER, duration_ms=1)
    audit.record("boss", "disable", "webhook", [hook.id], reason=f"asked by {MARKER}")


def _write_about(customer: User, order_id: UUID) -> None:
    audit.record(customer.username, "cancel", "order", [order_id], reason=f"{MARKER} called", details={"count": 2})
    audit.record("boss", "change", "user", [customer.pk], details={"email": {"before": "", "after": customer.email}})
    LogEntry.objects.create(
        user=User.objects.get(username="boss"), content_type=ContentType.objects.get_for_model(User),
        object_id=str(customer.pk), object_repr=customer.username, action_flag=CHANGE, change_message=MARKER,
    )  # fmt: skip


@pytest.fixture
def mailbox(tmp_path: Path, settings: Any) -> Path:
    settings.MAIL_DIR, settings.EMAIL_BACKEND = str(tmp_path), "notifications.mailbox.MailboxBackend"
    settings.WEBHOOK_ALLOW_HTTP = True
    return tmp_path


MARKED = {
    "orderproject_user", "orderproject_apikey", "axes_accessattempt", "django_admin_log",
    "orders_order", "orders_return", "orders_idempotentrequest", "payments_payment",
    "notifications_notification", "notifications_webhook", "notifications_webhookattempt",
    "sagas_sagarun", "sagas_sagastep",
    "events_storedevent", "events_delivery", "events_attempt", "events_audit", "events_deadmessage", "events_replay",
}  # fmt: skip


def test_no_trace_is_left(
    customer: User, staff: APIClient, mailbox: Path, caplog: pytest.LogCaptureFixture,
    django_capture_on_commit_callbacks: Any,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    kept, dropped = mark(customer, staff, mailbox)
    other = UUID(place(client_of(user("bob")), email="bob@example.com").json()["id"])
    assert where().keys() >= MARKED
    assert len(list(mailbox.glob("*.eml"))) == 2
    events = list(StoredEvent.objects.order_by("position").values_list("event_id", "type", "stream", "time"))
    with django_capture_on_commit_callbacks(execute=True):
        answer = forget(staff, customer.pk)
    assert answer.status_code == 200, answer.content
    assert answer.json()["erased"]["orders"] == 2
    assert where() == {}
    assert list(mailbox.iterdir()) == []
    assert Session.objects.count() == 0
    assert MARKER not in caplog.text.lower()
    assert not [key for key in valkey.client().scan_iter() if MARKER in str(key).lower()]
    # What stays: every event, the money, and what staff did.
    assert list(StoredEvent.objects.order_by("position").values_list("event_id", "type", "stream", "time")) == events
    assert list(differences()) == []
    order = Order.objects.get(id=kept)
    assert (order.total, order.status, order.email) == (order.money.amount, "delivered", FORGOTTEN_EMAIL)
    assert order.shipping_address == {"name": "", "line1": "", "city": "", "postalCode": "", "country": "DE"}
    assert Order.objects.get(id=dropped).cancel_reason == FORGOTTEN
    assert Order.objects.get(id=other).email == "bob@example.com"
    assert staff.get(f"{BASE}orders/{kept}/").json()["email"] == FORGOTTEN_EMAIL
    line = Audit.objects.get(action="forget")
    assert (line.who, line.target_ids, line.reason) == ("boss", [str(customer.pk)], "asked by letter")
    assert Audit.objects.get(action="cancel").details == {"count": 2}


def test_the_account_is_closed(customer: User, staff: APIClient) -> None:
    tokens = APIClient().post(f"{BASE}auth/token/", {"username": customer.username, "password": f"old-{MARKER}"}).json()
    assert forget(staff, customer.pk).status_code == 200
    assert APIClient().post(f"{BASE}auth/token/refresh/", {"refresh": tokens["refresh"]}).status_code == 401
    customer.refresh_from_db()
    assert (customer.username, customer.is_active) == (f"forgotten-{customer.pk}", False)
    assert not customer.has_usable_password()
    again = forget(staff, customer.pk)
    assert (again.status_code, again.json()["erased"]) == (200, {})


def test_a_dry_run_changes_nothing(customer: User, staff: APIClient, mailbox: Path) -> None:
    mark(customer, staff, mailbox)
    before = where()
    found = forget(staff, customer.pk, dryRun=True).json()
    assert (found["dryRun"], found["customer"], found["erased"]["e-mails"]) == (True, str(customer.pk), 1)
    assert where() == before
    assert not Audit.objects.filter(action="forget").exists()
    assert len(list(mailbox.iterdir())) == 2


def test_not_while_goods_are_to_be_sent(customer: User, staff: APIClient) -> None:
    order = Order.objects.get(id=place(client_of(customer)).json()["id"])
    problem = assert_problem(forget(staff, customer.pk), 409, "still-open")
    assert order.number in problem["detail"]
    order.cancel("out_of_stock")
    order.save()
    stories.saga_run(order.id, RunState.STUCK, {"x": StepState.STUCK})
    assert "PlaceOrder is stuck" in assert_problem(forget(staff, customer.pk), 409, "still-open")["detail"]
    SagaRun.objects.update(state=RunState.UNDONE)
    assert forget(staff, customer.pk).status_code == 200


def test_who_may(customer: User) -> None:
    manager = client_of(user("manager", "orderproject.forget_user", is_staff=True))
    assert_problem(forget(client_of(customer), customer.pk), 403)
    assert_problem(forget(client_of(user("viewer", "orderproject.view_user", is_staff=True)), customer.pk), 403)
    assert_problem(forget(manager, user("colleague", is_staff=True).pk), 403)
    assert_problem(forget(manager, uuid4()), 404)
    assert_problem(forget(manager, customer.pk, reason=""), 400)
    assert forget(manager, customer.pk).status_code == 200


def test_what_comes_late_is_erased_too(customer: User, staff: APIClient) -> None:
    """An access token works until it expires, and a message may still be under way."""
    late = client_of(customer)
    assert forget(staff, customer.pk).status_code == 200
    order = Order.objects.get(id=place(late, email=f"late@{MARKER}.example", shippingAddress=HOUSE).json()["id"])
    assert forget_again() == 0  # the order is open
    order.cancel("out_of_stock")
    order.save()
    assert forget_again() == 1
    assert where() == {}
    assert forget_again() == 0


def test_nobody_is_mailed_any_more(customer: User, staff: APIClient) -> None:
    order = Order.objects.get(id=place(client_of(customer)).json()["id"])
    order.cancel("out_of_stock")
    order.save()
    assert order.id in summaries([order.id])
    forget(staff, customer.pk)
    assert summaries([order.id]) == {}
    assert notify(Kind.CANCELLATION, [order.id]) == {}
    assert not Notification.objects.exists()


def test_the_command(customer: User, staff: APIClient, mailbox: Path) -> None:
    mark(customer, staff, mailbox)
    before, out = where(), StringIO()
    call_command("forget", customer.username, "--reason=by letter", "--dry-run", stdout=out)
    assert "e-mails" in out.getvalue()
    assert where() == before
    call_command("forget", str(customer.pk), "--reason=by letter", "--yes", stdout=out)
    assert where() == {}
    assert Audit.objects.get(action="forget").actor.startswith("shell:")
    with pytest.raises(CommandError, match="no user 'nobody'"):
        call_command("forget", "nobody", "--reason=x", "--yes")


def test_deleting_in_the_admin_leads_to_forgetting(customer: User, staff: APIClient, mailbox: Path) -> None:
    mark(customer, staff, mailbox)
    boss = Client()
    boss.force_login(User.objects.get(username="boss"), backend="django.contrib.auth.backends.ModelBackend")
    delete = reverse("admin:orderproject_user_delete", args=[customer.pk])
    page = boss.post(delete, {"post": "yes"})
    assert page["Location"] == reverse("admin:orderproject_user_forget_one", args=[customer.pk])
    assert "1 e-mails" in boss.get(page["Location"]).content.decode()
    assert where() != {}
    users = reverse("admin:orderproject_user_changelist")
    assert "delete_selected" not in boss.get(users).content.decode()
    assert boss.post(page["Location"], {"confirmed": "yes", "reason": "by letter"})["Location"] == users
    assert where() == {}
    assert User.objects.filter(pk=customer.pk).exists()


def test_the_admin_refuses_who_may_not(customer: User) -> None:
    manager = Client()
    manager.force_login(
        user("manager", "orderproject.forget_user", "orderproject.view_user", is_staff=True),
        backend="django.contrib.auth.backends.ModelBackend",
    )
    page = reverse("admin:orderproject_user_forget_one", args=[user("colleague", is_staff=True).pk])
    assert manager.get(page).status_code == 403
    assert manager.get(reverse("admin:orderproject_user_forget_one", args=[customer.pk])).status_code == 200


# --- the log is still append-only ---------------------------------------------------------------------------


@pytest.fixture
def event(customer: User) -> StoredEvent:
    order = Order.objects.get(id=place(client_of(customer)).json()["id"])
    with acting("ada"):
        order.cancel("too late", "detail")
        order.save()
    return StoredEvent.objects.get(type="order.cancelled")


@pytest.mark.parametrize(
    "change",
    [
        {"type": "order.confirmed"},
        {"actor": "bob"},
        {"data": {}},
        {"data": {"orderId": "x", "reason": FORGOTTEN, "detail": "detail", "wasConfirmed": False}},
        {"stream_version": 9},
    ],
)  # fmt: skip
def test_only_texts_can_be_erased(event: StoredEvent, change: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), redacting():
        StoredEvent.objects.filter(pk=event.pk).update(**change)


def test_only_a_transaction_that_says_so_can_erase(event: StoredEvent) -> None:
    erased = {**event.data, "reason": FORGOTTEN}
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        StoredEvent.objects.filter(pk=event.pk).update(data=erased)
    with redacting():
        assert StoredEvent.objects.filter(pk=event.pk).update(data=erased, actor=f"user:{uuid4()}") == 1
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        StoredEvent.objects.filter(pk=event.pk).update(data=erased | {"detail": FORGOTTEN})
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), redacting():
        StoredEvent.objects.filter(pk=event.pk).delete()


def test_ids_and_numbers_of_the_audit_stay() -> None:
    id_ = str(uuid4())
    details = {"id": id_, "name": "Ada", "lines": ["a", 1, None, True], "empty": ""}
    assert redacted(details) == {"id": id_, "name": FORGOTTEN, "lines": [FORGOTTEN, 1, None, True], "empty": ""}
