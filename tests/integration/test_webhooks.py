"""Webhooks from order to receiver: signed, repeated until they arrive, never to addresses inside."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core import mail as outbox
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient
from standardwebhooks.webhooks import WebhookVerificationError

from desk.models import Audit
from events.declare.codec import decode
from events.delivery.relay import Relay
from events.log.append import emit
from events.log.context import Context, caused_by
from events.models import Delivery, StoredEvent
from inventory.events import InventoryLow
from notifications.models import Webhook, WebhookAttempt, WebhookDelivery
from notifications.subscribers import fan_out_to_webhooks
from notifications.webhooks import addresses, endpoints, fan_out, retention, secrets, sending
from notifications.webhooks.client import Answer
from orderproject.celery import app
from orderproject.models import User
from orders.models import Order
from payments.events import PaymentSucceeded
from tests import stories
from tests.integration.api import assert_problem, client_of, user
from tests.integration.mail import Mail
from tests.integration.receiver import WEBHOOKS, Receiver, create, receiver

pytestmark = pytest.mark.django_db(transaction=True)

WAITS = 20.0
"""Seconds of patience that no call outlasts: all outcomes are written when `send_due` returns."""


@pytest.fixture(autouse=True)
def _noticed_at_once(monkeypatch: pytest.MonkeyPatch, _nobody_asks: None) -> None:
    """The process knows nothing for longer than a moment."""
    monkeypatch.setattr(fan_out, "_asked", fan_out._Asked())
    monkeypatch.setattr(fan_out, "KNOWN_FOR", 0.0)


@pytest.fixture
def loopback(settings: Any) -> None:
    settings.WEBHOOK_ALLOW_HTTP = True
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]


@pytest.fixture
def server(loopback: None) -> Iterator[Receiver]:
    with receiver() as taking:
        yield taking


@pytest.fixture
def answer_within(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], None]]:
    """Sets how long a receiver may take, for this test alone: a session keeps the limit that it was opened with."""

    def within(seconds: float) -> None:
        monkeypatch.setattr("notifications.webhooks.client.TIMEOUT", seconds)
        sending._close(sending._loop(os.getpid()))

    yield within
    sending._close(sending._loop(os.getpid()))


@pytest.fixture
def owner() -> User:
    return user("owner")


@pytest.fixture
def api(owner: User) -> APIClient:
    return client_of(owner)


def place(customer: User) -> Order:
    order = stories.placed()
    Order.objects.unrecorded().filter(id=order.id).update(customer_id=customer.id)
    return order


def deliveries(api: APIClient, webhook: dict[str, Any]) -> list[dict[str, Any]]:
    answer = api.get(f"{WEBHOOKS}{webhook['id']}/deliveries/")
    assert answer.status_code == 200, answer.content
    listed: list[dict[str, Any]] = answer.json()["results"]
    return listed


def relay(mail: Mail) -> None:
    """What is recorded goes through the relay, the broker and the fan-out; nothing is sent to webhooks yet."""
    Relay().pump()
    for task, args in mail.messages():
        if task == "notifications.fan_out_to_webhooks":
            app.tasks[task](*args)


def send() -> None:
    sending.send_due(WAITS)


def due_now() -> None:
    """The time until the next try is over."""
    WebhookDelivery.objects.update(due_at=timezone.now())


def keys_of(events: list[StoredEvent]) -> list[str]:
    return [f"notifications.fan_out_to_webhooks:{event.event_id}" for event in events]


# --- from the order to the receiver ----------------------------------------------------------------------


def test_events_arrive_signed_after_the_receiver_failed_twice(
    api: APIClient, owner: User, server: Receiver, mail: Mail
) -> None:
    server.answers = [500, 503]
    webhook = create(api, server.url())
    order = place(owner)
    relay(mail)
    for _ in range(3):
        send()
        due_now()
    assert len(server.requests) == 3
    assert len({request.id for request in server.requests}) == 1
    envelopes = [request.verified(webhook["secret"]) for request in server.requests]
    assert envelopes == [StoredEvent.objects.get(stream=f"order:{order.id}").envelope()] * 3
    assert server.requests[0].headers["content-type"] == "application/json"
    (delivery,) = deliveries(api, webhook)
    assert (delivery["id"], delivery["eventType"]) == (server.requests[0].id, "order.created")
    assert (delivery["status"], delivery["attempts"], delivery["nextAttemptAt"]) == ("delivered", 3, None)
    assert [(one["number"], one["responseStatus"], one["error"]) for one in delivery["tries"]] == [
        (1, 500, "The receiver answered 500."), (2, 503, "The receiver answered 503."), (3, 200, ""),
    ]  # fmt: skip
    assert delivery["responseStatus"] == 200
    assert all(one["durationMs"] >= 0 for one in delivery["tries"])
    assert Webhook.objects.get().failing_since is None
    send()
    assert len(server.requests) == 3


def test_between_two_tries_it_waits_ever_longer(api: APIClient, owner: User, server: Receiver, mail: Mail) -> None:
    server.answers = [500] * 20
    create(api, server.url())
    place(owner)
    relay(mail)
    waits = []
    for _ in range(sending.RETRY.attempts):
        send()
        send()
        waits.append((WebhookDelivery.objects.get().due_at - timezone.now()).total_seconds())
        due_now()
    assert len(server.requests) == sending.RETRY.attempts
    assert 2 < waits[0] <= 5
    assert 5_000 * 2 < waits[-2] <= 5 * 2**13
    assert sum(5 * 2**number for number in range(14)) < 86_400
    assert WebhookDelivery.objects.get().state == "failed"


def test_a_customer_hears_of_its_own_orders_alone(api: APIClient, owner: User, server: Receiver, mail: Mail) -> None:
    create(api, server.url(), "*")
    place(user("somebody else"))
    mine = place(owner)
    emit([
        PaymentSucceeded(order_id=mine.id, amount=mine.money),
        InventoryLow(sku="MUG-RED", available=1, threshold=5),
    ])  # fmt: skip
    relay(mail)
    send()
    heard = {json.loads(request.body)["stream"] for request in server.requests}
    assert heard == {f"order:{mine.id}", f"payment:{mine.id}"}


def test_whoever_holds_the_right_hears_everything(server: Receiver, mail: Mail) -> None:
    create(client_of(user("staff", "notifications.hear_all_orders")), server.url(), "order.*", "inventory.low")
    place(user("somebody"))
    emit([InventoryLow(sku="MUG-RED", available=1, threshold=5)])
    relay(mail)
    send()
    assert {json.loads(request.body)["eventType"] for request in server.requests} == {"order.created", "inventory.low"}


def test_an_event_that_comes_twice_is_sent_once_to_each(api: APIClient, owner: User, server: Receiver) -> None:
    for path in ("/one", "/two"):
        create(api, server.url(path))
    place(owner)
    place(owner)
    stored = list(StoredEvent.objects.filter(type="order.created").order_by("position"))
    events = [order_created(event) for event in stored]
    for _ in range(3):
        fan_out_to_webhooks(events, keys_of(stored))
    send()
    assert WebhookDelivery.objects.count() == len(server.requests) == 4
    assert len({request.id for request in server.requests}) == 4


def order_created(stored: StoredEvent) -> Any:
    return decode(stored.type, stored.version, json.dumps(stored.data))


def test_it_costs_as_many_statements_for_many_as_for_one(api: APIClient, owner: User, server: Receiver) -> None:
    for path in ("/one", "/two"):
        create(api, server.url(path))
    costs = []
    for count in (1, 30):
        before = StoredEvent.objects.count()
        for _ in range(count):
            place(owner)
        stored = list(StoredEvent.objects.order_by("position")[before:])
        events = [order_created(event) for event in stored]
        with CaptureQueriesContext(connection) as queries:
            fan_out_to_webhooks(events, keys_of(stored))
        costs.append(len(queries))
    assert costs == [3, 3]
    assert WebhookDelivery.objects.count() == 62


def test_nobody_asks_so_nothing_is_made(server: Receiver, api: APIClient, owner: User) -> None:
    def made() -> int:
        place(owner)
        return Delivery.objects.filter(subscriber="notifications.fan_out_to_webhooks").count()

    assert made() == 0
    create(api, server.url(), "payment.*")
    assert made() == 0
    webhook = create(api, server.url())
    assert made() == 1
    api.delete(f"{WEBHOOKS}{webhook['id']}/")
    assert made() == 1


def test_what_nobody_asks_is_known_for_a_second(monkeypatch: pytest.MonkeyPatch, server: Receiver, owner: User) -> None:
    """And whoever makes a webhook waits as long, so that it misses nothing after its answer."""
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    monkeypatch.setattr(fan_out, "KNOWN_FOR", 1.0)
    for _ in range(5):
        assert not fan_out.is_wanted(fan_out.event_types()["order.created"])
    with CaptureQueriesContext(connection) as queries:
        assert not fan_out.is_wanted(fan_out.event_types()["order.created"])
    assert len(queries) == 0

    def made(event_type: str) -> None:
        endpoints.create(owner.id, url=server.url(), event_types=[event_type], description="", everything=False)

    made("order.*")
    assert waited == [1.0]
    assert fan_out.is_wanted(fan_out.event_types()["order.created"])
    assert not fan_out.is_wanted(fan_out.event_types()["payment.succeeded"])
    Webhook.objects.update(updated_at=timezone.now() - timedelta(seconds=5))
    made("order.*")
    assert waited == [1.0]
    made("payment.*")
    assert waited == [1.0, 1.0]


def test_a_process_that_dies_with_its_calls_leaves_them_to_others(
    api: APIClient, owner: User, server: Receiver, mail: Mail
) -> None:
    create(api, server.url())
    place(owner)
    relay(mail)
    dead = sending._claim(100)
    assert dead is not None
    send()
    assert server.requests == []
    due_now()  # its lease is over
    send()
    assert len(server.requests) == 1
    late = [sending.CallResult(dead.calls[0], Answer(500, "The receiver answered 500.", 1))]
    sending._conclude(dead.lease, late)
    assert WebhookDelivery.objects.get().state == "delivered"
    assert WebhookAttempt.objects.count() == 1


# --- slow and failing receivers --------------------------------------------------------------------------


def test_a_slow_receiver_holds_up_nobody_and_keeps_to_its_cap(
    api: APIClient, owner: User, server: Receiver, mail: Mail, answer_within: Callable[[float], None]
) -> None:
    answer_within(60)
    server.hanging = {"/slow"}
    slow, quick = create(api, server.url("/slow")), create(api, server.url("/quick"))
    for _ in range(30):
        place(owner)
    relay(mail)
    until(lambda: delivered(quick) == 30 and server.paths()["/slow"] == sending.CAP)
    assert delivered(slow) == 0
    server.release.set()
    until(lambda: delivered(slow) == 30)
    assert server.most_at_once["/slow"] == sending.CAP
    assert server.most_at_once["/quick"] <= sending.CAP


def delivered(webhook: dict[str, Any]) -> int:
    sending.send_due(0.1)
    return WebhookDelivery.objects.filter(webhook=webhook["id"], state="delivered").count()


def until(condition: Any) -> None:
    deadline = time.monotonic() + 25
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def test_a_failing_receiver_is_tried_by_one_event_at_a_time(
    api: APIClient, owner: User, server: Receiver, mail: Mail
) -> None:
    create(api, server.url())
    Webhook.objects.update(failing_since=timezone.now(), last_failure_at=timezone.now())
    for _ in range(5):
        place(owner)
    relay(mail)
    claim = sending._claim(100)
    assert claim is not None
    assert len(claim.calls) == 1
    assert sending._claim(100) is None
    due_now()
    send()
    assert len(server.requests) == 5


def test_no_answer_within_its_time_is_a_failure(
    api: APIClient, server: Receiver, answer_within: Callable[[float], None]
) -> None:
    server.hanging = {"/slow"}
    answer_within(0.2)
    webhook = create(api, server.url("/slow"))
    api.post(f"{WEBHOOKS}{webhook['id']}/test/")
    send()
    (delivery,) = deliveries(api, webhook)
    (attempt,) = delivery["tries"]
    assert (attempt["responseStatus"], attempt["error"]) == (None, "The receiver did not answer within 0.2 s.")
    assert delivery["nextAttemptAt"]


def test_nobody_listening_is_a_failure(api: APIClient, loopback: None) -> None:
    with ExitStack() as stack:
        url = stack.enter_context(receiver()).url()
    webhook = create(api, url)
    api.post(f"{WEBHOOKS}{webhook['id']}/test/")
    send()
    (attempt,) = deliveries(api, webhook)[0]["tries"]
    assert attempt["responseStatus"] is None
    assert attempt["error"].startswith("Connection failed: ")


# --- addresses inside ------------------------------------------------------------------------------------


def test_a_redirect_is_a_failure_and_not_followed(api: APIClient, server: Receiver, settings: Any) -> None:
    with receiver() as inside:
        server.answers = [(302, {"Location": inside.url("/admin")}), (307, {"Location": inside.url("/admin")})]
        webhook = create(api, server.url())
        for _ in range(2):
            api.post(f"{WEBHOOKS}{webhook['id']}/test/")
            send()
        assert inside.requests == []
    attempts = [delivery["tries"][0] for delivery in deliveries(api, webhook)]
    assert [attempt["responseStatus"] for attempt in attempts] == [307, 302]
    assert all("Redirects are not followed" in attempt["error"] for attempt in attempts)


def test_a_name_that_leads_inside_later_is_refused(
    api: APIClient, server: Receiver, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebinding: public when the webhook is made, loopback when it is connected to."""
    settings.WEBHOOK_ALLOWED_NETWORKS = []
    leads_to = ["93.184.216.34"]
    resolve = socket.getaddrinfo

    def rebinding(host: Any, port: Any, *rest: Any, **options: Any) -> Any:
        return resolve(leads_to[0] if host == "rebinding.example" else host, port, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    webhook = create(api, f"http://rebinding.example:{server.port}/hook")
    leads_to[0] = "127.0.0.1"
    api.post(f"{WEBHOOKS}{webhook['id']}/test/")
    send()
    assert server.requests == []
    (attempt,) = deliveries(api, webhook)[0]["tries"]
    assert attempt["responseStatus"] is None
    assert attempt["error"] == "The host resolves to 127.0.0.1, which is not a public address."
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    due_now()
    send()
    assert len(server.requests) == 1


def test_an_address_that_was_allowed_once_is_refused_when_it_is_not_any_more(
    api: APIClient, server: Receiver, settings: Any
) -> None:
    webhook = create(api, server.url())
    settings.WEBHOOK_ALLOWED_NETWORKS = []
    api.post(f"{WEBHOOKS}{webhook['id']}/test/")
    send()
    assert server.requests == []
    assert "127.0.0.1" in deliveries(api, webhook)[0]["tries"][0]["error"]


# --- switched off ----------------------------------------------------------------------------------------


def fail_once(api: APIClient, webhook: dict[str, Any], server: Receiver, status: int = 500) -> None:
    server.answers = [status]
    assert api.post(f"{WEBHOOKS}{webhook['id']}/test/").status_code == 202
    send()


def test_a_webhook_that_fails_for_days_is_switched_off_and_its_owner_told(
    api: APIClient, owner: User, server: Receiver, mail: Mail
) -> None:
    webhook = create(api, server.url())
    fail_once(api, webhook, server)
    now = timezone.now()
    Webhook.objects.update(failing_since=now - timedelta(days=4), last_failure_at=now - timedelta(hours=9))
    fail_once(api, webhook, server)
    assert api.get(f"{WEBHOOKS}{webhook['id']}/").json()["enabled"] is True
    Webhook.objects.update(failing_since=now - timedelta(days=5, seconds=1))
    fail_once(api, webhook, server)
    off = api.get(f"{WEBHOOKS}{webhook['id']}/").json()
    assert (off["enabled"], off["disabledReason"]) == (False, "failing")
    mail.purge()
    Relay().pump()
    mail.deliver()
    (letter,) = outbox.outbox
    assert letter.to == [owner.email]
    assert server.url() in letter.body
    assert "it failed for days" in letter.body
    assert_problem(api.post(f"{WEBHOOKS}{webhook['id']}/test/"), 422, "webhook-disabled")
    place(owner)
    assert not Delivery.objects.filter(subscriber="notifications.fan_out_to_webhooks").exists()


def test_one_success_ends_the_days_of_failing(api: APIClient, server: Receiver) -> None:
    webhook = create(api, server.url())
    fail_once(api, webhook, server)
    Webhook.objects.update(failing_since=timezone.now() - timedelta(days=9))
    due_now()
    send()
    assert Webhook.objects.get().failing_since is None
    fail_once(api, webhook, server)
    assert Webhook.objects.get().disabled_at is None


def test_days_in_which_nothing_was_sent_do_not_count(api: APIClient, server: Receiver) -> None:
    webhook = create(api, server.url())
    fail_once(api, webhook, server)
    long_ago = timezone.now() - timedelta(days=9)
    Webhook.objects.update(failing_since=long_ago, last_failure_at=long_ago)
    fail_once(api, webhook, server)
    assert Webhook.objects.get().disabled_at is None
    assert Webhook.objects.filter(failing_since__gt=timezone.now() - timedelta(hours=1)).exists()


def test_gone_switches_off_at_once(api: APIClient, server: Receiver) -> None:
    webhook = create(api, server.url())
    fail_once(api, webhook, server, 410)
    assert api.get(f"{WEBHOOKS}{webhook['id']}/").json()["disabledReason"] == "gone"
    assert deliveries(api, webhook)[0]["status"] == "failed"
    assert StoredEvent.objects.filter(type="webhook.disabled").count() == 1


def test_switched_on_again_it_gets_what_waited(api: APIClient, owner: User, server: Receiver, mail: Mail) -> None:
    webhook = create(api, server.url())
    place(owner)
    relay(mail)
    off = api.patch(f"{WEBHOOKS}{webhook['id']}/", {"enabled": False}).json()
    assert (off["enabled"], off["disabledReason"]) == (False, "owner")
    assert not StoredEvent.objects.filter(type="webhook.disabled").exists()
    send()
    assert server.requests == []
    assert api.patch(f"{WEBHOOKS}{webhook['id']}/", {"enabled": True}).json()["disabledReason"] is None
    send()
    assert len(server.requests) == 1


# --- the API ---------------------------------------------------------------------------------------------


def test_a_rotated_secret_and_the_one_before_both_verify(api: APIClient, server: Receiver) -> None:
    first = create(api, server.url())
    second = api.post(f"{WEBHOOKS}{first['id']}/rotate-secret/").json()
    assert second["secret"] != first["secret"]
    api.post(f"{WEBHOOKS}{first['id']}/test/")
    send()
    (request,) = server.requests
    for secret in (first["secret"], second["secret"]):
        assert request.verified(secret)["eventType"] == "webhook.tested"
    with pytest.raises(WebhookVerificationError):
        request.verified("whsec_" + "A" * 43 + "=")
    assert first["secret"] not in Webhook.objects.get().sealed


def test_a_secret_that_no_known_key_opens_is_replaced(api: APIClient, server: Receiver, settings: Any) -> None:
    first = create(api, server.url())
    settings.SECRET_KEY = "changed" * 10
    second = api.post(f"{WEBHOOKS}{first['id']}/rotate-secret/")
    assert second.status_code == 200, second.content
    api.post(f"{WEBHOOKS}{first['id']}/test/")
    send()
    (request,) = server.requests
    assert request.verified(second.json()["secret"])["eventType"] == "webhook.tested"
    with pytest.raises(WebhookVerificationError):
        request.verified(first["secret"])


def test_a_test_goes_to_that_webhook_alone_whatever_it_asks_for(api: APIClient, server: Receiver) -> None:
    one, two = create(api, server.url("/one"), "payment.*"), create(api, server.url("/two"), "*")
    answer = api.post(f"{WEBHOOKS}{one['id']}/test/")
    assert answer.status_code == 202
    assert (answer.json()["eventType"], answer.json()["status"]) == ("webhook.tested", "pending")
    send()
    assert [request.path for request in server.requests] == ["/one"]
    assert deliveries(api, two) == []


def test_a_delivery_is_sent_again_under_its_id(api: APIClient, server: Receiver) -> None:
    webhook = create(api, server.url())
    delivery = api.post(f"{WEBHOOKS}{webhook['id']}/test/").json()
    send()
    answer = api.post(f"{WEBHOOKS}{webhook['id']}/deliveries/{delivery['id']}/redeliver/")
    assert answer.status_code == 202
    assert (answer.json()["status"], len(answer.json()["tries"])) == ("pending", 1)
    send()
    first, second = server.requests
    assert first.id == second.id == delivery["id"]
    assert first.body == second.body
    assert len(deliveries(api, webhook)[0]["tries"]) == 2
    missing = f"{WEBHOOKS}{webhook['id']}/deliveries/{uuid4()}/redeliver/"
    assert_problem(api.post(missing), 404, "not-found")
    api.patch(f"{WEBHOOKS}{webhook['id']}/", {"enabled": False})
    again = f"{WEBHOOKS}{webhook['id']}/deliveries/{delivery['id']}/redeliver/"
    assert_problem(api.post(again), 422, "webhook-disabled")


def test_deliveries_are_narrowed_and_come_page_by_page(api: APIClient, server: Receiver) -> None:
    webhook = create(api, server.url())
    path = f"{WEBHOOKS}{webhook['id']}/deliveries/"
    server.answers = [200, 500]
    made = []
    for _ in range(3):
        made.append(api.post(f"{WEBHOOKS}{webhook['id']}/test/").json()["id"])
        if len(made) < 3:
            send()
    assert [one["id"] for one in api.get(path).json()["results"]] == made[::-1]
    first = api.get(path, {"limit": 2}).json()
    assert [one["id"] for one in api.get(first["next"]).json()["results"]] == made[:1]
    assert [one["id"] for one in api.get(path, {"status": "delivered"}).json()["results"]] == made[:1]
    assert len(api.get(path, {"eventType": "webhook.tested"}).json()["results"]) == 3
    assert_problem(api.get(path, {"state": "delivered"}), 400, "invalid", "?state")
    with CaptureQueriesContext(connection) as few:
        api.get(path, {"limit": 1})
    with CaptureQueriesContext(connection) as many:
        api.get(path)
    assert len(few) == len(many)


# --- for staff, and after a while ------------------------------------------------------------------------


def test_staff_send_again_and_switch_and_it_is_written_down(api: APIClient, server: Receiver) -> None:
    webhook = create(api, server.url())
    delivery = api.post(f"{WEBHOOKS}{webhook['id']}/test/").json()
    send()
    with caused_by(Context(actor="boss")):
        assert endpoints.redeliver_by_staff([delivery["id"]], actor="boss") == 1
    send()
    assert len(server.requests) == 2
    assert endpoints.switch_by_staff([webhook["id"]], on=False, actor="boss") == 1
    assert endpoints.switch_by_staff([webhook["id"]], on=False, actor="boss") == 0
    assert api.get(f"{WEBHOOKS}{webhook['id']}/").json()["disabledReason"] == "staff"
    assert endpoints.switch_by_staff([webhook["id"]], on=True, actor="boss") == 1
    assert list(Audit.objects.order_by("id").values_list("actor", "action", "target_kind")) == [
        ("boss", "redeliver", "webhook delivery"), ("boss", "disable", "webhook"), ("boss", "enable", "webhook"),
    ]  # fmt: skip


def test_old_deliveries_are_forgotten_and_what_was_asked_for_lately_is_not(
    api: APIClient, server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = create(api, server.url())
    ids = [api.post(f"{WEBHOOKS}{webhook['id']}/test/").json()["id"] for _ in range(3)]
    send()
    long_ago = timezone.now() - timedelta(days=40)
    old = [str(UUID(int=(int(long_ago.timestamp() * 1000) << 80) + number)) for number in range(2)]
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM notifications_webhookattempt WHERE delivery_id <> %s", [ids[2]])
        for former, now in zip(ids, old, strict=False):
            cursor.execute("UPDATE notifications_webhookdelivery SET id = %s WHERE id = %s", [now, former])
    WebhookDelivery.objects.filter(id=old[0]).update(due_at=long_ago)
    WebhookAttempt.objects.create(delivery_id=old[0], number=1, at=long_ago, duration_ms=1)
    assert retention.prune() == 1
    assert {str(one.id) for one in WebhookDelivery.objects.all()} == {old[1], ids[2]}
    assert WebhookAttempt.objects.count() == 1


def test_a_deleted_webhook_keeps_no_secret_and_goes_with_its_log(api: APIClient, server: Receiver) -> None:
    webhook = create(api, server.url())
    api.post(f"{WEBHOOKS}{webhook['id']}/test/")
    api.delete(f"{WEBHOOKS}{webhook['id']}/")
    assert Webhook.objects.get().sealed == ""
    send()
    assert server.requests == []
    retention.prune()
    assert Webhook.objects.exists()
    Webhook.objects.update(deleted_at=timezone.now() - timedelta(hours=2))
    assert retention.prune() == 1
    assert not Webhook.objects.exists()


def test_a_delivery_that_cannot_be_made_into_a_request_harms_none_of_the_others(
    api: APIClient, server: Receiver
) -> None:
    bad, good = create(api, server.url("/bad")), create(api, server.url("/good"))
    for webhook in (bad, good):
        api.post(f"{WEBHOOKS}{webhook['id']}/test/")
    broken = secrets._box().encrypt(b'{"secrets": 1}').decode()
    Webhook.objects.filter(id=bad["id"]).update(sealed=broken)
    send()
    assert [request.path for request in server.requests] == ["/good"]
    (failed,), (delivered,) = deliveries(api, bad), deliveries(api, good)
    assert delivered["status"] == "delivered"
    assert failed["status"] == "pending"
    assert "ValidationError" in WebhookAttempt.objects.get(delivery_id=failed["id"]).error


def test_an_answer_that_no_text_can_hold_harms_none_of_the_others(
    api: APIClient, server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = create(api, server.url("/bad")), create(api, server.url("/good"))
    for webhook in (bad, good):
        api.post(f"{WEBHOOKS}{webhook['id']}/test/")
    parse = addresses.parse

    def names_what_it_read(url: str) -> Any:
        if url.endswith("/bad"):
            raise RuntimeError("read \udcff\0")
        return parse(url)

    monkeypatch.setattr("notifications.webhooks.client.parse", names_what_it_read)
    send()
    assert deliveries(api, good)[0]["status"] == "delivered"
    assert "read \\udcff" in WebhookAttempt.objects.get(delivery_id=deliveries(api, bad)[0]["id"]).error


def test_a_secret_that_cannot_be_read_is_nobodys_failure(api: APIClient, server: Receiver, settings: Any) -> None:
    webhook = create(api, server.url())
    api.post(f"{WEBHOOKS}{webhook['id']}/test/")
    key, settings.SECRET_KEY = settings.SECRET_KEY, "another-" + "1" * 50
    send()
    assert server.requests == []
    assert Webhook.objects.get().failing_since is None
    settings.SECRET_KEY = key
    due_now()
    send()
    assert len(server.requests) == 1
