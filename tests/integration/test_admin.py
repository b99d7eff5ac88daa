"""The admin without a browser: what it shows, to whom, what it does, and at what cost."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, Permission
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from desk.actors import actor_of
from desk.models import Audit
from events.apps import EventsConfig
from events.dead_letters.repair import Outcome, retry
from events.models import Delivery, DeliveryState, StoredEvent
from inventory.models import Product, Reservation, Stock
from notifications.models import Kind
from orderproject.accounts.groups import NAMES, create_groups, groups
from orderproject.models import Grant, User
from orders.admin_search import matching
from orders.models import Order, Status
from sagas.models import SagaRun
from sagas.operations.repair import retry as retry_saga
from sagas.plan import RunState, StepState
from tests import stories

pytestmark = pytest.mark.django_db
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss", "boss@example.com", "boss"))
    return client


def member_of(group: str) -> Client:
    user = User.objects.create_user(group.replace(" ", "-"), password="x", is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    client = Client()
    client.force_login(user)
    return client


def page_of(model: str, key: Any) -> str:
    return reverse(f"admin:{model}_change", args=[key])


def list_of(model: str) -> str:
    return reverse(f"admin:{model}_changelist")


def text(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200, url
    return response.content.decode()


MODELS = (
    "orders_order", "inventory_product", "inventory_warehouse", "inventory_stock", "inventory_reservation",
    "inventory_hold", "payments_payment", "payments_refund", "notifications_notification", "notifications_webhook",
    "notifications_webhookdelivery", "events_storedevent", "events_delivery", "desk_audit", "sagas_sagarun",
    "orderproject_user", "auth_group",
)  # fmt: skip


# --- every page ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_every_list_opens_full_and_searched(boss: Client, model: str) -> None:
    stories.shop()
    stories.confirmed()
    stories.capture_failed()
    text(boss, list_of(model))
    for term in ("x", "a@b.c", "01a2075a-9ce7-75cd-acb6-7ea3d51a150c", "261123-AAAAA-BBBBB", "'; --"):
        assert boss.get(list_of(model), {"q": term}).status_code in {200, 302}


def test_the_front_page_counts_what_matters(boss: Client) -> None:
    stories.confirmed()
    stories.dead_delivery(stories.stuck())
    response = boss.get(reverse("admin:index"))
    tiles = {tile.title: tile for tile in [*response.context["orders_today"], *response.context["troubles"]]}
    numbers = {title: tile.number for title, tile in tiles.items()}
    assert numbers == {
        "Pending": 1, "Confirmed": 1, "Cancelled": 0, "Refunds pending": 0, "Refunds failed": 0, "Dead deliveries": 1,
        "Stuck sagas": 1,
    }  # fmt: skip
    for tile in tiles.values():
        assert len(boss.get(tile.url).context["cl"].result_list) == tile.number


def test_the_menu_counts_dead_deliveries_where_there_are_any(boss: Client) -> None:
    def badges() -> list[str]:
        sections = boss.get(reverse("admin:index")).context["sidebar_navigation"]
        return [item["badge"] for section in sections for item in section["items"] if item.get("badge")]

    order = stories.placed()
    assert badges() == []
    stories.dead_delivery(order)
    assert badges() == ["1"]


def test_the_catalogue_is_filtered(boss: Client) -> None:
    stories.shop()
    for url in (f"{list_of('inventory_product')}?active__exact=1", f"{list_of('inventory_stock')}?warehouse__code=BER"):
        assert len(boss.get(url, follow=True).context["cl"].result_list) == 1


def test_times_are_shown_to_the_second(boss: Client) -> None:
    order = stories.placed()
    assert f"{order.created_at:%Y-%m-%d %H:%M:%S}" in text(boss, list_of("orders_order"))


# --- the order page --------------------------------------------------------------------------------------


def test_the_order_page_shows_every_service(boss: Client) -> None:
    order = stories.confirmed()
    html = text(boss, page_of("orders_order", order.id))
    for shown in (
        "inventory.committed",
        "payment.succeeded",
        "notification.sent",
        "order.confirmed",
        "orders.PlaceOrder",
    ):
        assert shown in html
    assert page_of("payments_payment", order.id) in html
    assert (
        page_of("notifications_notification", StoredEvent.objects.get(type="notification.sent").data["notificationId"])
        in html
    )


def title_of(client: Client, url: str) -> str:
    (title,) = re.findall(r"<title>(.*?)</title>", text(client, url), re.S)
    return " ".join(title.split())


def test_the_titles_of_tabs_carry_the_orders_number(boss: Client) -> None:
    order = stories.confirmed()
    assert title_of(boss, page_of("orders_order", order.id)) == f"{order.number} | Orders"
    for deed in ("cancel_one", "ship_one", "deliver_one", "return_one"):
        assert order.number in title_of(boss, reverse(f"admin:orders_order_{deed}", args=[order.id])), deed
    assert order.number in title_of(boss, reverse("admin:orders_order_history", args=[order.id]))


def test_nothing_was_asked_of_the_card_is_said_only_if_so(boss: Client) -> None:
    order = stories.placed()
    nothing = "Nothing was asked of the card"
    assert nothing in text(boss, page_of("orders_order", order.id))
    payment = stories.payment_of(order)
    payment.save()  # written before the processor is called, whose answer may be lost
    html = text(boss, page_of("orders_order", order.id))
    assert nothing not in html
    assert "No answer is recorded yet" in html
    assert page_of("payments_payment", order.id) in html
    payment.authorize("auth_1")
    payment.save()
    assert nothing not in text(boss, page_of("orders_order", order.id))


def test_a_saga_that_the_code_no_longer_has_is_shown_as_it_ran(boss: Client) -> None:
    order = stories.placed()
    run = stories.saga_run(order.id, RunState.RUNNING, {"one": StepState.DONE, "two": StepState.WAITING}, saga="Gone")
    for url in (page_of("orders_order", order.id), page_of("sagas_sagarun", run.id)):
        html = text(boss, url)
        assert "no longer declares" in html
        assert html.index('data-step="one"') < html.index('data-step="two"')


def test_a_step_that_left_a_declared_saga_is_still_shown(boss: Client) -> None:
    order = stories.placed()
    stories.saga_run(order.id, RunState.DONE, {"weigh_parcel": StepState.SKIPPED})
    assert 'data-step="weigh_parcel"' in text(boss, page_of("orders_order", order.id))


@pytest.mark.parametrize("state", list(StepState))
def test_every_state_of_a_step_can_be_drawn(boss: Client, state: StepState) -> None:
    order = stories.placed()
    stories.saga_run(order.id, RunState.COMPENSATING, {"hold_stock": state})
    assert f"is-{state}" in text(boss, page_of("orders_order", order.id))


def test_the_page_costs_the_same_with_one_line_and_with_five_hundred(boss: Client) -> None:
    costs = []
    for lines in (1, 500):
        order = stories.placed(lines=lines)
        stories.dead_delivery(order, attempts=lines % 100 + 1)
        boss.get(page_of("orders_order", order.id))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            html = text(boss, page_of("orders_order", order.id))
        costs.append(len(queries))
        assert f"MUG-{lines - 1}<" in html
    assert costs[0] == costs[1] <= 24


def test_what_strangers_wrote_is_shown_as_text(boss: Client) -> None:
    order = stories.placed(name=EVIL)
    Order.objects.filter(id=order.id).unrecorded().update(
        email=f'"{EVIL}"@example.com', shipping_address={"name": EVIL}, cancel_reason=EVIL, cancel_detail=EVIL
    )
    delivery = stories.dead_delivery(order, error=EVIL)
    run = stories.saga_run(order.id, RunState.STUCK, {"hold_stock": StepState.FAILED}, reason=(EVIL, EVIL))
    run.steps.update(error_code=EVIL, error=EVIL)
    letter = stories.told(order, Kind.CONFIRMATION, html=EVIL)
    pages = [
        page_of("orders_order", order.id), page_of("events_delivery", delivery.id),
        page_of("events_storedevent", delivery.event_id), page_of("sagas_sagarun", run.id),
        page_of("notifications_notification", letter.id), list_of("orders_order"), list_of("sagas_sagarun"),
    ]  # fmt: skip
    for url in pages:
        html = text(boss, url)
        assert EVIL not in html
        assert "&lt;script&gt;alert(1)" in html or url in {pages[2]}


def test_an_unknown_order_leads_back_to_the_list(boss: Client) -> None:
    for key, status in (("01a2075a-9ce7-75cd-acb6-7ea3d51a150c", 302), ("nonsense", 404)):
        assert boss.get(page_of("orders_order", key)).status_code == status
        assert boss.get(reverse("admin:orders_order_cancel_one", args=[key])).status_code == status


# --- the list of orders ----------------------------------------------------------------------------------


def test_the_list_neither_counts_nor_asks_per_row(boss: Client) -> None:
    costs = []
    for _ in range(2):
        for _ in range(5):
            stories.placed()
        with CaptureQueriesContext(connection) as queries:
            text(boss, list_of("orders_order"))
        costs.append(len(queries))
        assert not [query for query in queries if "COUNT(" in query["sql"] and "orders_order" in query["sql"]]
    assert costs[0] == costs[1]


def test_orders_are_found_by_number_id_customer_and_address() -> None:
    order = stories.placed(email="eve@example.com")
    stories.placed()
    terms = [order.number, order.number.lower(), str(order.id), str(order.customer_id), " eve@example.com "]
    for term in terms:
        assert [one.id for one in matching(Order.objects.order_by(), term)] == [order.id]
    assert not matching(Order.objects.order_by(), "eve")


def test_lists_are_filtered(boss: Client) -> None:
    stories.confirmed()
    stories.capture_failed()
    for created, expected in (("today", 1), ("hour", 1), ("7", 1), ("30", 1), ("nonsense", 1)):
        response = boss.get(list_of("orders_order"), {"status__exact": "confirmed", "created": created})
        assert len(response.context["cl"].result_list) == expected
    deliveries = boss.get(list_of("events_delivery"), {"subscriber": "orders.PlaceOrder", "state__exact": "done"})
    assert len(deliveries.context["cl"].result_list) == 2
    events = boss.get(list_of("events_storedevent"), {"type": "payment.voided"})
    assert [event.type for event in events.context["cl"].result_list] == ["payment.voided"]
    runs = boss.get(list_of("sagas_sagarun"), {"saga": "PlaceOrder", "state__exact": "undone"})
    assert len(runs.context["cl"].result_list) == 1


# --- cancelling ------------------------------------------------------------------------------------------


def cancel(client: Client, order: Order, reason: str = "asked on the telephone") -> Any:
    url = reverse("admin:orders_order_cancel_one", args=[order.id])
    return client.post(url, {"confirmed": "yes", "reason": reason}, follow=True)


def test_cancelling_asks_first_and_wants_a_reason(boss: Client) -> None:
    order = stories.confirmed()
    assert "Cancel permanently" in text(boss, reverse("admin:orders_order_cancel_one", args=[order.id]))
    assert "This field is required" in cancel(boss, order, reason="").content.decode()
    order.refresh_from_db()
    assert order.status == Status.CONFIRMED


def test_a_cancellation_is_done_and_written_down(boss: Client) -> None:
    order = stories.confirmed()
    cancel(boss, order)
    order.refresh_from_db()
    assert (order.status, order.cancel_reason) == (Status.CANCELLED, "asked on the telephone")
    line = Audit.objects.get()
    assert (line.who, line.action, line.target_ids) == ("boss", "cancel", [str(order.id)])
    assert line.reason == "asked on the telephone"
    event = StoredEvent.objects.get(type="order.cancelled")
    assert event.actor == f"user:{User.objects.get(username='boss').pk}"


def test_a_pending_order_turns_its_saga_back(boss: Client) -> None:
    order = stories.placed()
    run = stories.saga_run(order.id, RunState.RUNNING, {"hold_stock": StepState.WAITING})
    assert "cancellation requested" in cancel(boss, order).content.decode()
    run.refresh_from_db()
    assert run.aborted


def test_what_cannot_be_cancelled_is_a_message(boss: Client) -> None:
    order = stories.capture_failed()
    html = cancel(boss, order).content.decode()
    assert "so it cannot become cancelled" in html
    assert reverse("admin:orders_order_cancel_one", args=[order.id]) not in html
    assert not Audit.objects.exists()


def test_selected_orders_are_cancelled_each_for_itself(boss: Client) -> None:
    good, bad = stories.confirmed(), stories.capture_failed()
    selected = {"action": "cancel_selected", "_selected_action": [str(good.id), str(bad.id)]}
    asked = boss.post(list_of("orders_order"), selected | {"index": "0"}).content.decode()
    assert good.number in asked
    assert bad.number in asked
    done = boss.post(list_of("orders_order"), selected | {"confirmed": "yes", "reason": "sold out"}, follow=True)
    assert "Cancellation requested for 1 order." in done.content.decode()
    assert "so it cannot become cancelled" in done.content.decode()
    good.refresh_from_db()
    assert good.status == Status.CANCELLED


def test_who_may_not_cancel_has_no_button_and_is_refused() -> None:
    auditor, order = member_of("auditors"), stories.confirmed()
    assert "Cancel order" not in text(auditor, page_of("orders_order", order.id))
    assert "cancel_selected" not in text(auditor, list_of("orders_order"))
    assert cancel(auditor, order).status_code == 403
    selected = {"action": "cancel_selected", "_selected_action": [str(order.id)], "confirmed": "yes", "reason": "x"}
    auditor.post(list_of("orders_order"), selected)
    order.refresh_from_db()
    assert order.status == Status.CONFIRMED


# --- dead letters ----------------------------------------------------------------------------------------


def test_a_retry_makes_dead_deliveries_due_and_keeps_the_record() -> None:
    delivery = stories.dead_delivery(stories.placed())
    assert retry([delivery.id], actor="ada") == Outcome(1)
    before = delivery.due_at
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.lease) == (DeliveryState.PENDING, 0, None)
    assert delivery.due_at >= before
    assert delivery.failures.count() == 3
    assert retry([delivery.id], actor="ada") == Outcome(0)


@pytest.mark.parametrize("state", [DeliveryState.DONE, DeliveryState.PENDING, DeliveryState.DISCARDED])
def test_what_is_not_dead_is_left_alone(state: DeliveryState) -> None:
    delivery = stories.dead_delivery(stories.placed())
    Delivery.objects.filter(id=delivery.id).update(state=state)
    assert retry([delivery.id], actor="ada") == Outcome(0)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == (state, 3)


def test_the_relay_is_woken_after_the_commit(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    woken: list[int] = []
    monkeypatch.setattr("events.delivery.wake.notify_relay", lambda: woken.append(1))
    delivery = stories.dead_delivery(stories.placed())
    with django_capture_on_commit_callbacks(execute=True):
        retry([delivery.id], actor="ada")
        assert woken == []
    assert woken == [1]


def test_operators_retry_in_the_admin_and_it_is_written_down() -> None:
    operator = member_of("operators")
    dead, alive = stories.dead_delivery(stories.placed()), stories.deliveries_of(stories.placed())[0]
    selected = {"action": "retry_selected", "_selected_action": [dead.id, alive.id]}
    assert (
        "Deliver these again?" in operator.post(list_of("events_delivery"), selected | {"index": "0"}).content.decode()
    )
    done = operator.post(list_of("events_delivery"), selected | {"confirmed": "yes"}, follow=True).content.decode()
    assert "1 dead deliveries are due again." in done
    line = Audit.objects.get()
    assert (line.who, line.action, line.target_ids) == ("operators", "retry", [str(dead.id)])


def test_one_delivery_is_retried_from_its_page_by_post_alone() -> None:
    operator, delivery = member_of("operators"), stories.dead_delivery(stories.placed())
    url = reverse("admin:events_delivery_retry_one", args=[delivery.id])
    operator.get(url)
    assert Delivery.objects.get(id=delivery.id).state == DeliveryState.DEAD
    operator.post(url, {"confirmed": "yes"})
    assert Delivery.objects.get(id=delivery.id).state == DeliveryState.PENDING
    assert url not in text(operator, page_of("events_delivery", delivery.id))


def test_auditors_read_and_do_nothing() -> None:
    auditor, delivery = member_of("auditors"), stories.dead_delivery(stories.placed())
    for deed in ("retry_one", "discard_one", "edit_one"):
        url = reverse(f"admin:events_delivery_{deed}", args=[delivery.id])
        assert url not in text(auditor, page_of("events_delivery", delivery.id))
        assert auditor.post(url, {"confirmed": "yes", "reason": "x", "payload": "{}"}).status_code == 403
    assert "Retry group" not in text(auditor, reverse("admin:events_delivery_groups"))
    for deed in ("retry", "discard"):
        assert auditor.post(group_of(delivery, deed), {"confirmed": "yes", "reason": "x"}).status_code == 403
    assert Delivery.objects.get(id=delivery.id).state == DeliveryState.DEAD


def test_discarding_asks_for_a_reason_and_is_written_down() -> None:
    operator = member_of("operators")
    one, two = stories.dead_delivery(stories.placed()), stories.dead_delivery(stories.placed())
    url = reverse("admin:events_delivery_discard_one", args=[one.id])
    assert "This field is required" in operator.post(url, {"confirmed": "yes"}).content.decode()
    operator.post(url, {"confirmed": "yes", "reason": "a test order"})
    selected = {"action": "discard_selected", "_selected_action": [one.id, two.id], "confirmed": "yes", "reason": "too"}
    html = operator.post(list_of("events_delivery"), selected, follow=True).content.decode()
    assert "1 dead deliveries are discarded." in html
    assert set(Delivery.objects.filter(id__in=[one.id, two.id]).values_list("state", flat=True)) == {"discarded"}
    assert list(Audit.objects.order_by("id").values_list("reason", flat=True)) == ["a test order", "too"]
    history = operator.get(reverse("admin:events_delivery_history", args=[one.id]))
    assert [line.entry.reason for line in history.context["lines"]] == ["a test order"]
    assert "a test order" in text(operator, page_of("desk_audit", Audit.objects.earliest("id").id))


def group_of(delivery: Delivery, deed: str) -> str:
    query = {"action": deed, "subscriber": delivery.subscriber, "error": "smtplib.SMTPServerDisconnected"}
    return f"{reverse('admin:events_delivery_groups')}?{urlencode(query)}"


@pytest.mark.parametrize(("deed", "state"), [("retry", "pending"), ("discard", "discarded")])
def test_a_group_is_worked_as_a_whole(deed: str, state: str) -> None:
    operator = member_of("operators")
    chosen = [stories.dead_delivery(stories.placed()) for _ in range(3)]
    html = text(operator, reverse("admin:events_delivery_groups"))
    assert group_of(chosen[0], deed).partition("?")[2].replace("&", "&amp;") in html
    assert "3 dead letters of this group" in text(operator, group_of(chosen[0], deed))
    done = operator.post(group_of(chosen[0], deed), {"confirmed": "yes", "reason": "x"}, follow=True).content.decode()
    assert "3 dead deliveries are" in done
    assert "There are no dead letters." in done
    assert set(Delivery.objects.values_list("state", flat=True)) == {state}


def test_an_edit_shows_the_difference_before_it_is_made() -> None:
    operator, delivery = member_of("operators"), stories.dead_delivery(stories.placed())
    url = reverse("admin:events_delivery_edit_one", args=[delivery.id])
    data = delivery.event.data
    assert data["orderId"] in text(operator, url)
    corrected = data | {"total": {"amount": "1.00", "currency": "EUR"}}
    posted = {"payload": json.dumps(corrected), "reason": "a wrong total"}
    asked = operator.post(url, posted)
    assert "+    &quot;amount&quot;: &quot;1.00&quot;" in asked.content.decode()
    assert Delivery.objects.get(id=delivery.id).state == DeliveryState.DEAD
    operator.post(url, posted | {"confirmed": "yes", "shown": asked.context["shown"]})
    delivery.refresh_from_db()
    assert (delivery.state, delivery.edited_data) == (DeliveryState.PENDING, corrected)
    assert "Edited data" in text(operator, page_of("events_delivery", delivery.id))
    assert operator.get(url).status_code == 302


def test_a_retry_sends_what_its_difference_showed_and_nothing_else() -> None:
    operator, delivery = member_of("operators"), stories.dead_delivery(stories.placed())
    url = reverse("admin:events_delivery_edit_one", args=[delivery.id])

    def with_total(amount: str) -> dict[str, str]:
        data = delivery.event.data | {"total": {"amount": amount, "currency": "EUR"}}
        return {"payload": json.dumps(data), "reason": "a wrong total"}

    shown = operator.post(url, with_total("1.00")).context["shown"]
    for unseen in (with_total("9999.00") | {"shown": shown}, with_total("1.00"), with_total("1.00") | {"shown": "x"}):
        answer = operator.post(url, unseen | {"confirmed": "yes"})
        assert "whose difference was shown" in answer.content.decode()
        assert Delivery.objects.get(id=delivery.id).state == DeliveryState.DEAD
    again = operator.post(url, with_total("9999.00") | {"shown": shown, "confirmed": "yes"})
    assert "9999.00" in again.context["difference"]
    Delivery.objects.filter(id=delivery.id).update(edited_data=delivery.event.data | {"email": "x"})
    stale = operator.post(url, with_total("1.00") | {"shown": shown, "confirmed": "yes"})
    assert stale.context["form"].errors["payload"], "another person's edit came between"
    operator.post(url, with_total("1.00") | {"shown": stale.context["shown"], "confirmed": "yes"})
    delivery.refresh_from_db()
    assert (delivery.state, (delivery.edited_data or {})["total"]["amount"]) == (DeliveryState.PENDING, "1.00")


@pytest.mark.parametrize(
    "typed", ["", "{", "[]", "{}", '{"a": NaN}', '"\\ud800"', '{"a": "\\u0000"}', "[" * 5000, EVIL]
)
def test_what_is_typed_wrongly_is_a_form_error(typed: str) -> None:
    operator, delivery = member_of("operators"), stories.dead_delivery(stories.placed())
    url = reverse("admin:events_delivery_edit_one", args=[delivery.id])
    answer = operator.post(url, {"payload": typed, "reason": "x", "confirmed": "yes"})
    assert answer.status_code == 200
    assert answer.context["form"].errors["payload"]
    assert EVIL not in answer.content.decode()


def test_attempts_after_a_retry_still_tell_the_past(boss: Client) -> None:
    order = stories.placed()
    delivery = stories.dead_delivery(order)
    retry([delivery.id], actor="ada")
    pages = [list_of("events_delivery"), page_of("events_delivery", delivery.id), page_of("orders_order", order.id)]
    for url in pages:
        assert "3, none since the retry" in text(boss, url), url
    stories.dead_delivery(order, attempts=1)
    html = text(boss, pages[1])
    assert "4, 1 since the retry" in html
    assert re.findall(r"<b>(\d)\.</b>", html) == ["1", "2", "3", "4"]


def test_a_saga_tells_the_attempts_before_a_retry(boss: Client) -> None:
    order = stories.stuck()
    run = SagaRun.objects.get()
    retry_saga(run.id, actor=actor_of(User.objects.create_user("ada")), reason="the bank is back")
    told = "ada: retry authorize_payment (8 attempts, GatewayUnavailable), because: the bank is back"
    for url in (page_of("orders_order", order.id), page_of("sagas_sagarun", run.id)):
        assert told in text(boss, url)


def test_nothing_is_due_once_it_is_done(boss: Client) -> None:
    order = stories.confirmed()
    delivery, dead = stories.deliveries_of(order)[0], stories.dead_delivery(stories.placed())
    waiting = stories.deliveries_of(stories.placed())[0]
    assert delivery.state == DeliveryState.DONE
    for row, due in ((delivery, False), (dead, False), (waiting, True)):
        row.due_at = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
        row.save()
        assert ("2031" in text(boss, page_of("events_delivery", row.id))) is due
    assert text(boss, list_of("events_delivery")).count("2031-05-06") == 1
    Reservation.objects.filter(order_id=order.id).unrecorded().update(expires_at=datetime(2031, 5, 6, tzinfo=UTC))
    assert "2031" not in text(boss, page_of("inventory_reservation", order.id))


# --- read only -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    ["orders_order", "payments_payment", "payments_refund", "notifications_notification", "events_storedevent",
     "events_delivery", "desk_audit", "sagas_sagarun", "inventory_reservation", "inventory_hold"],
)  # fmt: skip
def test_not_even_a_superuser_writes_what_the_program_writes(boss: Client, model: str) -> None:
    assert boss.get(reverse(f"admin:{model}_add")).status_code == 403
    order = stories.confirmed()
    event = StoredEvent.objects.get(type="order.confirmed")
    keys = {
        "orders_order": order.id, "payments_payment": order.id, "inventory_reservation": order.id,
        "events_storedevent": event.position, "events_delivery": stories.deliveries_of(order)[0].id,
        "sagas_sagarun": SagaRun.objects.get().id,
        "notifications_notification": StoredEvent.objects.get(type="notification.sent").data["notificationId"],
    }  # fmt: skip
    if model in keys:
        assert boss.post(page_of(model, keys[model]), {"number": "x"}).status_code == 403
        assert boss.post(reverse(f"admin:{model}_delete", args=[keys[model]]), {"post": "yes"}).status_code == 403


# --- the stock -------------------------------------------------------------------------------------------


def correct(client: Client, stock: Stock, on_hand: int, seen: int | None = None) -> Any:
    fields = {"on_hand": on_hand, "seen": stock.on_hand if seen is None else seen, "reason": "counted"}
    return client.post(page_of("inventory_stock", stock.id), fields)


def test_the_warehouse_corrects_what_is_on_hand() -> None:
    stock = stories.shop(on_hand=10, held=4)
    assert correct(member_of("warehouse"), stock, 4).status_code == 302
    stock.refresh_from_db()
    assert (stock.on_hand, stock.held) == (4, 4)


def test_what_is_held_must_stay_on_hand(boss: Client) -> None:
    stock = stories.shop(on_hand=10, held=4)
    response = correct(boss, stock, 3)
    assert "4 are held for orders" in response.content.decode()
    stock.refresh_from_db()
    assert stock.on_hand == 10


def test_what_was_sold_meanwhile_stays_sold(boss: Client) -> None:
    stock = stories.shop(on_hand=10)
    Stock.objects.filter(id=stock.id).update(on_hand=7)
    correct(boss, stock, 15, seen=10)
    stock.refresh_from_db()
    assert stock.on_hand == 12


@pytest.mark.parametrize("on_hand", ["", "-1", "many"])
def test_nonsense_is_a_form_error(boss: Client, on_hand: str) -> None:
    stock = stories.shop(on_hand=10)
    response = boss.post(page_of("inventory_stock", stock.id), {"on_hand": on_hand, "seen": "x"})
    assert response.status_code == 200
    assert response.context["errors"]


def test_stock_is_added_once_per_warehouse(boss: Client) -> None:
    stories.shop()
    Product.objects.create(sku="BOWL", name="Bowl", price="3")
    fields = {"product": "BOWL", "warehouse": "BER", "on_hand": 7, "reason": "delivered"}
    assert boss.post(reverse("admin:inventory_stock_add"), fields).status_code == 302
    assert Stock.objects.get(product_id="BOWL").on_hand == 7
    assert boss.post(reverse("admin:inventory_stock_add"), fields).status_code == 200


def test_staff_create_and_change_products() -> None:
    warehouse = member_of("warehouse")
    fields = {
        "sku": "BOWL", "name": "Bowl", "description": "", "price": "3.50", "currency": "EUR", "active": "on",
        "low_stock": 0, "stock-TOTAL_FORMS": 0, "stock-INITIAL_FORMS": 0,
    }  # fmt: skip
    assert warehouse.post(reverse("admin:inventory_product_add"), fields).status_code == 302
    assert warehouse.post(page_of("inventory_product", "BOWL"), fields | {"sku": "X", "name": "Big"}).status_code == 302
    assert list(Product.objects.values_list("sku", "name")) == [("BOWL", "Big")]
    negative = warehouse.post(page_of("inventory_product", "BOWL"), fields | {"price": "-1"})
    assert negative.status_code == 200


# --- notifications ---------------------------------------------------------------------------------------


def test_a_letter_is_sent_again_and_it_is_written_down(boss: Client) -> None:
    letter = stories.told(stories.placed(), Kind.CONFIRMATION)
    url = reverse("admin:notifications_notification_resend_one", args=[letter.id])
    boss.get(url)
    assert mail.outbox == []
    boss.post(url, {"confirmed": "yes"})
    assert [sent.subject for sent in mail.outbox] == [letter.subject]
    line = Audit.objects.get()
    assert (line.action, line.target_ids) == ("resend", [str(letter.id)])


def test_a_mail_server_that_is_away_is_a_message(boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(letter: object) -> None:
        raise ConnectionRefusedError("nobody there")

    monkeypatch.setattr("notifications.admin.resend", away)
    letter = stories.told(stories.placed(), Kind.CONFIRMATION)
    url = reverse("admin:notifications_notification_resend_one", args=[letter.id])
    assert "nobody there" in boss.post(url, {"confirmed": "yes"}, follow=True).content.decode()
    assert not Audit.objects.exists()


def test_the_html_of_a_letter_stands_in_a_frame_without_rights(boss: Client) -> None:
    letter = stories.told(stories.placed(), Kind.CONFIRMATION, html='<p class="x">Hi</p>')
    html = text(boss, page_of("notifications_notification", letter.id))
    assert 'sandbox=""' in html
    assert 'srcdoc="&lt;p class=&quot;x&quot;&gt;' in html


# --- who may ---------------------------------------------------------------------------------------------


def test_the_groups_exist_with_permissions_that_exist() -> None:
    for name, codes in groups().items():
        permissions = Permission.objects.filter(group__name=name).select_related("content_type")
        assert {f"{one.content_type.app_label}.{one.codename}" for one in permissions} == set(codes)


def test_groups_belong_to_their_administrators_afterwards() -> None:
    group = Group.objects.get(name="operators")
    group.permissions.clear()
    Group.objects.get(name="auditors").delete()
    create_groups()
    assert group.permissions.count() == 0
    assert Group.objects.get(name="auditors").permissions.count() == len(groups()["auditors"])


def test_a_permission_of_a_later_version_is_given_to_the_groups_that_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    group = Group.objects.get(name="warehouse")
    own = Permission.objects.get(codename="view_refund")
    group.permissions.add(own)
    before = set(group.permissions.values_list("id", flat=True))
    later = {"warehouse": ("view_storedevent", "yet_to_come")}
    monkeypatch.setattr(EventsConfig, "permissions", {**EventsConfig.permissions, **later})
    create_groups()
    new = Permission.objects.get(codename="view_storedevent")
    assert set(group.permissions.values_list("id", flat=True)) == before | {new.id}
    group.permissions.remove(new)
    create_groups()
    assert set(group.permissions.values_list("id", flat=True)) == before


def test_groups_of_the_first_version_get_what_is_missing() -> None:
    """They were made before anybody wrote down what they were given."""
    Grant.objects.all().delete()
    group = Group.objects.get(name="operators")
    group.permissions.remove(Permission.objects.get(codename="discard_deadmessage"))
    create_groups()
    assert group.permissions.count() == len(groups()["operators"])


def test_each_sees_only_what_they_may() -> None:
    warehouse, order = member_of("warehouse"), stories.confirmed()
    html = text(warehouse, page_of("orders_order", order.id))
    assert 'id="lines"' in html
    for hidden in ("payment", "timeline", "deliveries", "sagas", "notifications"):
        assert f'id="{hidden}"' not in html
    front = text(warehouse, reverse("admin:index"))
    assert list_of("inventory_stock") in front
    assert list_of("payments_payment") not in front


@pytest.mark.parametrize("group", NAMES)
def test_every_group_can_open_its_front_page(group: str) -> None:
    text(member_of(group), reverse("admin:index"))


def test_who_may_change_users_cannot_become_more(client: Client) -> None:
    helper = User.objects.create_user("helper", password="x", is_staff=True)
    helper.user_permissions.add(*Permission.objects.filter(codename__in=["view_user", "change_user"]))
    client.force_login(helper)
    boss, customer = User.objects.create_superuser("boss"), User.objects.create_user("customer", password="x")
    assert client.post(page_of("orderproject_user", boss.pk), {"username": "owned"}).status_code == 403
    assert client.get(reverse("admin:auth_user_password_change", args=[boss.pk])).status_code == 403
    client.post(
        page_of("orderproject_user", customer.pk), {"username": "renamed", "is_superuser": "on", "is_staff": "on"}
    )
    customer.refresh_from_db()
    assert (customer.username, customer.is_superuser, customer.is_staff) == ("renamed", False, False)


def test_a_superuser_makes_users(boss: Client) -> None:
    fields = {
        "username": "new",
        "password1": "correct horse 9",
        "password2": "correct horse 9",
        "usable_password": "true",
    }
    assert boss.post(reverse("admin:orderproject_user_add"), fields).status_code == 302
    assert isinstance(User.objects.get(username="new").pk, UUID)


def test_flower_is_linked_where_it_runs(boss: Client, settings: Any) -> None:
    settings.FLOWER_URL = "/admin/flower"
    html = text(boss, reverse("admin:index"))
    assert 'href="/admin/flower/"' in html
    assert "/api/v1/docs/" in html
    settings.FLOWER_URL = ""
    assert "Flower" not in text(boss, reverse("admin:index"))
