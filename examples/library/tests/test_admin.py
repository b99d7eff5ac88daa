"""The kernel's pages in Django's own admin, without Unfold."""

import json
import re
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from lending.services import request_loan
from library.celery import app
from members.models import Letter

from desk.models import Audit
from events.breakers.breaker import Breaker, declare_breaker
from events.models import DeadMessage, Delivery, Replay, StoredEvent
from sagas.models import SagaRun, SagaStep
from tests.conftest import wait_until
from tests.test_lending import a_book, a_member, decided

POST_OFFICE = declare_breaker(Breaker("post_office", is_fault=lambda error: True))
LISTS = [
    "events_storedevent", "events_delivery", "events_deadmessage", "events_replay", "events_breaker", "sagas_sagarun",
    "desk_audit", "lending_loan", "lending_book", "members_member", "members_letter",
]  # fmt: skip


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser(f"librarian-{uuid4()}"))
    return client


@pytest.fixture
def delivery() -> Delivery:
    """The delivery that wrote a letter."""
    loan = decided(request_loan(a_member().id, a_book().isbn))
    wait_until(lambda: Letter.objects.filter(loan_id=loan.id).exists())
    return Delivery.objects.get(event__stream=f"loan:{loan.id}", subscriber="members.write_letter")


def text(client: Client, url: str, **query: str) -> str:
    response = client.get(url, query)
    assert response.status_code == 200, url
    return response.content.decode()


def page(model: str, key: object) -> str:
    return reverse(f"admin:{model}_change", args=[key])


def test_every_list_opens(staff: Client, delivery: Delivery) -> None:
    assert "unfold" not in text(staff, reverse("admin:index"))
    for model in LISTS:
        html = text(staff, reverse(f"admin:{model}_changelist"))
        assert "unfold" not in html
        text(staff, reverse(f"admin:{model}_changelist"), q="nothing of this name")
    html = text(staff, reverse("admin:events_delivery_changelist"), state__exact="done")
    assert page("events_delivery", delivery.id) in html


def test_a_stored_event_shows_its_deliveries(staff: Client, delivery: Delivery) -> None:
    assert "members.write_letter" in text(staff, page("events_storedevent", delivery.event_id))


def test_a_dead_delivery_is_retried(staff: Client, delivery: Delivery) -> None:
    Delivery.objects.filter(id=delivery.id).update(state="dead")
    html = text(staff, page("events_delivery", delivery.id))
    retry = reverse("admin:events_delivery_retry_one", args=[delivery.id])
    assert f'href="{retry}"' in html
    assert reverse("admin:events_delivery_groups") in text(staff, reverse("admin:events_delivery_changelist"))
    assert "members.write_letter" in text(staff, reverse("admin:events_delivery_groups"))
    assert "Deliver these again?" in text(staff, retry)
    assert staff.post(retry, {"confirmed": "yes"}).status_code == 302
    wait_until(lambda: Delivery.objects.get(id=delivery.id).state == "done")
    line = Audit.objects.get(target_ids__contains=[str(delivery.id)])
    assert "retry" in text(staff, page("desk_audit", line.id))
    assert retry not in text(staff, page("events_delivery", delivery.id))


def test_selected_dead_deliveries_are_discarded(staff: Client, delivery: Delivery) -> None:
    Delivery.objects.filter(id=delivery.id).update(state="dead")
    everything = reverse("admin:events_delivery_changelist")
    chosen = {"action": "discard_selected", "_selected_action": str(delivery.id)}
    assert "Discard these for good?" in staff.post(everything, chosen).content.decode()
    staff.post(everything, {**chosen, "confirmed": "yes", "reason": "a test"})
    assert Delivery.objects.get(id=delivery.id).state == "discarded"


def test_the_data_of_a_dead_delivery_are_edited(staff: Client, delivery: Delivery) -> None:
    Delivery.objects.filter(id=delivery.id).update(state="dead")
    edit = reverse("admin:events_delivery_edit_one", args=[delivery.id])
    assert "<textarea" in text(staff, edit)
    form = {"payload": json.dumps(delivery.event.data | {"isbn": "another"}), "reason": "a test"}
    shown = staff.post(edit, form).content.decode()
    assert "data-difference" in shown
    assert "Retry with these data" in shown
    (difference,) = re.findall('name="shown" value="([^"]+)"', shown)
    assert staff.post(edit, {**form, "confirmed": "yes", "shown": difference}).status_code == 302
    wait_until(lambda: Delivery.objects.get(id=delivery.id).state == "done")


def test_a_button_needs_its_permission(delivery: Delivery) -> None:
    Delivery.objects.filter(id=delivery.id).update(state="dead")
    reader = User.objects.create_user(f"reader-{uuid4()}", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_delivery"))
    client = Client()
    client.force_login(reader)
    retry = reverse("admin:events_delivery_retry_one", args=[delivery.id])
    assert retry not in text(client, page("events_delivery", delivery.id))
    assert client.post(retry, {"confirmed": "yes"}).status_code == 403
    assert Delivery.objects.get(id=delivery.id).state == "dead"


def test_a_message_that_no_code_knows_is_kept(staff: Client) -> None:
    name = f"library.unknown_{uuid4().hex}"
    send_unknown(name)
    wait_until(lambda: DeadMessage.objects.filter(task=name).exists())
    message = DeadMessage.objects.get(task=name)
    assert name in text(staff, page("events_deadmessage", message.id))
    discard = reverse("admin:events_deadmessage_discard_one", args=[message.id])
    staff.post(discard, {"confirmed": "yes", "reason": "a test"})
    assert DeadMessage.objects.get(task=name).discarded_at


def send_unknown(name: str) -> None:
    body: list[Any] = [[], {}, {}]
    with app.producer_pool.acquire() as producer:
        producer.publish(
            body, exchange="tasks", routing_key="lending", headers={"task": name, "id": str(uuid4())}, serializer="json"
        )


def test_a_saga_shows_its_steps_and_how_to_repair_it(staff: Client) -> None:
    loan = decided(request_loan(a_member().id, a_book().isbn))
    run = SagaRun.objects.get(subject=loan.id)
    html = text(staff, page("sagas_sagarun", run.id))
    assert all(step in html for step in ("hold_copy", "take_deposit", "repay_deposit", "confirm_loan"))
    assert page("lending_loan", loan.id) in html
    SagaStep.objects.filter(run=run, name="confirm_loan").update(state="stuck")
    SagaRun.objects.filter(id=run.id).update(state="stuck")
    skip = reverse("admin:sagas_sagarun_skip_one", args=[run.id])
    assert skip in text(staff, page("sagas_sagarun", run.id))
    assert '<option value="confirm_loan"' in text(staff, skip)
    staff.post(skip, {"confirmed": "yes", "step": "confirm_loan", "reason": "a test"})
    wait_until(lambda: SagaRun.objects.get(id=run.id).state == "done")


def test_letters_are_replayed(staff: Client, delivery: Delivery) -> None:
    letters = Letter.objects.count()
    start = reverse("admin:events_replay_start")
    assert start in text(staff, reverse("admin:events_replay_changelist"))
    assert '<option value="members.write_letter"' in text(staff, start)
    stream = StoredEvent.objects.get(position=delivery.event_id).stream
    form = {"subscriber": "members.write_letter", "stream": stream, "reason": "a test"}
    assert "data-size" in staff.post(start, form).content.decode()
    assert staff.post(start, {**form, "confirmed": "yes"}).status_code == 302
    replay = Replay.objects.get(stream=stream)
    wait_until(lambda: Replay.objects.get(id=replay.id).state == "done")
    assert "deliver again" in text(staff, page("events_replay", replay.id))
    assert Letter.objects.count() == letters


def test_a_breaker_is_forced_open(staff: Client) -> None:
    force = reverse("admin:events_breaker_force", args=["post_office", "open"])
    assert force in text(staff, reverse("admin:events_breaker_changelist"))
    assert "<input" in text(staff, force)
    staff.post(force, {"confirmed": "yes", "reason": "a test"})
    assert "badge-danger" in text(staff, reverse("admin:events_breaker_changelist"))
