"""Ordered webhooks: the events of one stream one after the other, and a failed one holds back only its own stream."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from desk.models import Audit
from events.log.append import append
from events.models import Delivery, StoredEvent
from notifications.models import Webhook, WebhookDelivery
from notifications.subscribers import fan_out_to_webhooks
from notifications.webhooks import fan_out, sending
from orderproject.models import User
from orders.events import OrderCancelled
from orders.models import Order
from tests import stories
from tests.integration.api import assert_problem, client_of, user
from tests.integration.receiver import WEBHOOKS, Receiver, receiver

pytestmark = pytest.mark.django_db(transaction=True)
SUBSCRIBER = "notifications.fan_out_to_webhooks"


@pytest.fixture(autouse=True)
def _noticed_at_once(monkeypatch: pytest.MonkeyPatch, _nobody_asks: None) -> None:
    monkeypatch.setattr(fan_out, "_asked", fan_out._Asked())
    monkeypatch.setattr(fan_out, "KNOWN_FOR", 0.0)


@pytest.fixture
def server(settings: Any) -> Iterator[Receiver]:
    settings.WEBHOOK_ALLOW_HTTP = True
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    with receiver() as taking:
        yield taking


@pytest.fixture
def owner() -> User:
    return user("owner")


@pytest.fixture
def api(owner: User) -> APIClient:
    return client_of(owner)


def create(api: APIClient, server: Receiver, **fields: Any) -> dict[str, Any]:
    answer = api.post(WEBHOOKS, {"url": server.url(), "eventTypes": ["order.cancelled"], "ordered": True, **fields})
    assert answer.status_code == 201, answer.content
    made: dict[str, Any] = answer.json()
    return made


def order_of(owner: User) -> UUID:
    order = stories.placed()
    Order.objects.unrecorded().filter(id=order.id).update(customer_id=owner.id)
    return order.id


def recorded(order: UUID, versions: Sequence[int]) -> list[StoredEvent]:
    with transaction.atomic():
        events = [OrderCancelled(order_id=order, reason="changed-mind", was_confirmed=False) for _ in versions]
        made = append(list(zip(events, versions, strict=True)))
    return list(StoredEvent.objects.filter(position__in=[one.position for one in made]).order_by("position"))


def fanned_out(events: Sequence[StoredEvent]) -> None:
    """As the worker does: the deliveries to the fan-out are done in the same transaction."""
    with transaction.atomic():
        for event in events:
            its = OrderCancelled(order_id=UUID(event.stream.partition(":")[2]), reason="x", was_confirmed=False)
            fan_out_to_webhooks([its], [f"{SUBSCRIBER}:{event.event_id}"])
        Delivery.objects.filter(subscriber=SUBSCRIBER, event__in=events).update(state="done")


def send() -> None:
    sending.send_due(20.0)


def due_now() -> None:
    WebhookDelivery.objects.filter(state="pending").update(due_at=timezone.now(), lease=None)


def received(server: Receiver) -> list[tuple[str, int]]:
    bodies = [json.loads(request.body) for request in server.requests]
    return [(one["stream"], one["streamVersion"]) for one in bodies]


def test_the_default_is_unordered(api: APIClient, server: Receiver) -> None:
    answer = api.post(WEBHOOKS, {"url": server.url(), "eventTypes": ["order.*"]})
    assert answer.json()["ordered"] is False


def test_the_events_of_a_stream_come_one_after_the_other(api: APIClient, owner: User, server: Receiver) -> None:
    create(api, server)
    one, two = order_of(owner), order_of(owner)
    fanned_out([*recorded(one, range(50, 60)), *recorded(two, range(50, 60))])
    send()
    seen = received(server)
    assert len(seen) == 20
    for order in (one, two):
        assert [version for stream, version in seen if stream == f"order:{order}"] == list(range(50, 60))


def test_a_failing_event_holds_only_its_own_stream(api: APIClient, owner: User, server: Receiver) -> None:
    webhook = create(api, server)
    bad, good = order_of(owner), order_of(owner)
    server.answers = [500]
    fanned_out(recorded(bad, [50, 51]))
    send()
    fanned_out(recorded(good, [50, 51]))
    send()
    assert received(server) == [(f"order:{bad}", 50), (f"order:{good}", 50), (f"order:{good}", 51)]
    held = api.get(f"{WEBHOOKS}{webhook['id']}/deliveries/?holds=true").json()["results"]
    assert [one["stream"] for one in held] == [f"order:{bad}"]
    due_now()
    send()
    assert received(server)[-2:] == [(f"order:{bad}", 50), (f"order:{bad}", 51)]


def failed(api: APIClient, owner: User, server: Receiver) -> tuple[dict[str, Any], WebhookDelivery, UUID]:
    """A webhook, and a delivery that has failed for good with another one behind it."""
    webhook = create(api, server)
    order = order_of(owner)
    server.answers = [500]
    fanned_out(recorded(order, [50, 51]))
    WebhookDelivery.objects.update(attempts=14)
    send()
    first = WebhookDelivery.objects.order_by("event_id")[0]
    assert first.state == "failed"
    due_now()
    send()
    assert len(server.requests) == 1, "the later one waits behind it"
    return webhook, first, order


def test_its_owner_skips_it_with_a_reason(api: APIClient, owner: User, server: Receiver) -> None:
    webhook, first, order = failed(api, owner, server)
    skip = f"{WEBHOOKS}{webhook['id']}/deliveries/{first.id}/skip/"
    assert_problem(api.post(skip, {"reason": ""}), 400, "invalid")
    answer = api.post(skip, {"reason": "we have it already"})
    assert (answer.status_code, answer.json()["status"]) == (200, "skipped")
    send()
    assert received(server)[-1] == (f"order:{order}", 51)
    entry = Audit.objects.get(action="skip")
    assert (entry.reason, entry.target_ids) == ("we have it already", [str(first.id)])
    assert_problem(api.post(skip, {"reason": "twice"}), 422, "holds-nothing")


def test_its_owner_sends_it_again(api: APIClient, owner: User, server: Receiver) -> None:
    webhook, first, order = failed(api, owner, server)
    api.post(f"{WEBHOOKS}{webhook['id']}/deliveries/{first.id}/redeliver/")
    send()
    assert received(server)[-2:] == [(f"order:{order}", 50), (f"order:{order}", 51)]


def test_staff_skip_it_in_the_admin(api: APIClient, owner: User, server: Receiver, client: Client) -> None:
    _, first, order = failed(api, owner, server)
    person = User.objects.create_user("operator", is_staff=True)
    person.groups.add(Group.objects.get(name="operators"))
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    listed = client.get(reverse("admin:notifications_webhookdelivery_changelist"), {"holds": "yes"}).content.decode()
    assert str(first.id) in listed
    client.post(
        reverse("admin:notifications_webhookdelivery_skip_one", args=[first.id]), {"confirmed": "yes", "reason": "old"}
    )
    send()
    assert received(server)[-1] == (f"order:{order}", 51)


def test_an_event_waits_for_the_fan_out_of_the_one_before(api: APIClient, owner: User, server: Receiver) -> None:
    """The fan-out of two events may end in any order."""
    create(api, server)
    first, second = recorded(order_of(owner), [50, 51])
    fanned_out([second])
    send()
    assert received(server) == []
    fanned_out([first])
    send()
    assert [version for _, version in received(server)] == [50, 51]


def test_a_webhook_becomes_ordered_with_what_is_pending(api: APIClient, owner: User, server: Receiver) -> None:
    webhook = create(api, server, ordered=False)
    fanned_out(recorded(order_of(owner), [50, 51]))
    url = f"{WEBHOOKS}{webhook['id']}/"
    assert api.patch(url, {"ordered": True}).json()["ordered"] is True
    assert WebhookDelivery.objects.filter(stream=None).count() == 0
    assert api.patch(url, {"ordered": False}).json()["ordered"] is False
    assert WebhookDelivery.objects.filter(stream=None).count() == 2
    assert Webhook.objects.get().ordered is False
