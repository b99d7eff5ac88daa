"""Operators over HTTP: dead letters and sagas, and nobody else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from desk.models import Audit
from events.dead_letters.queries import letter_id
from events.models import Delivery
from orders.models import Order
from sagas.models import SagaRun
from sagas.plan import RunState, StepState
from tests import stories
from tests.integration.api import BASE, assert_problem, client_of, user

pytestmark = pytest.mark.django_db

LETTERS, SAGAS = f"{BASE}dead-letters/", f"{BASE}sagas/"
ERROR = "smtplib.SMTPServerDisconnected"
RIGHTS = (
    "events.view_delivery", "events.retry_delivery", "events.discard_delivery", "events.edit_delivery",
    "sagas.view_sagarun", "sagas.repair_saga",
)  # fmt: skip


@pytest.fixture
def operator() -> APIClient:
    return client_of(user("operator", *RIGHTS))


def dead() -> Delivery:
    return stories.dead_delivery(stories.placed())


def one(delivery: Delivery) -> str:
    return f"{LETTERS}{letter_id(delivery.id)}/"


def ids(*deliveries: Delivery) -> dict[str, Any]:
    return {"ids": [str(letter_id(delivery.id)) for delivery in deliveries]}


def group_of(delivery: Delivery) -> dict[str, Any]:
    return {"group": {"subscriber": delivery.subscriber, "errorType": ERROR}}


def state_of(delivery: Delivery) -> str:
    return Delivery.objects.get(id=delivery.id).state


# --- reading dead letters --------------------------------------------------------------------------------


def test_dead_letters_are_listed_page_by_page(operator: APIClient) -> None:
    deliveries = [dead() for _ in range(3)]
    stories.confirmed()
    first = operator.get(LETTERS, {"limit": 2}).json()
    second = operator.get(first["next"]).json()
    listed = first["results"] + second["results"]
    assert [letter["id"] for letter in listed] == [str(letter_id(delivery.id)) for delivery in deliveries[::-1]]
    assert second["next"] is None
    letter = listed[0]
    assert letter["subscriber"] == deliveries[0].subscriber
    assert (letter["errorType"], letter["error"]) == (ERROR, "the mail server is away")
    assert (letter["state"], letter["attempts"]) == ("dead", 3)
    assert letter["age"] >= 0


def test_dead_letters_are_narrowed(operator: APIClient) -> None:
    delivery = dead()
    before, after = (timezone.now() + timedelta(hours=hours) for hours in (-1, 1))
    for wanted, count in (
        ({"subscriber": delivery.subscriber}, 1), ({"subscriber": "nobody"}, 0), ({"errorType": ERROR}, 1),
        ({"errorType": "ValueError"}, 0), ({"since": before.isoformat()}, 1), ({"since": after.isoformat()}, 0),
    ):  # fmt: skip
        assert len(operator.get(LETTERS, wanted).json()["results"]) == count, wanted


@pytest.mark.parametrize("query", [{"subscribr": "x"}, {"since": "yesterday"}, {"since": ""}, {"subscriber": "\0"}])
def test_a_misspelt_filter_is_a_problem(operator: APIClient, query: dict[str, str]) -> None:
    assert_problem(operator.get(LETTERS, query), 400, "invalid", f"?{next(iter(query))}")


def test_one_letter_tells_everything(operator: APIClient) -> None:
    delivery = dead()
    letter = operator.get(one(delivery)).json()
    event = delivery.event
    assert letter["data"] == event.data
    assert letter["editedData"] is None
    assert (letter["eventId"], letter["eventType"], letter["eventVersion"]) == (
        str(event.event_id), event.type, event.version,
    )  # fmt: skip
    assert {"correlationId", "causationId", "traceparent", "stream"} <= letter.keys()
    assert [attempt["number"] for attempt in letter["tries"]] == [1, 2, 3]
    assert letter["tries"][0].keys() == {
        "number", "at", "errorType", "error", "traceback", "worker", "durationMs",
    }  # fmt: skip


def test_a_letter_is_found_after_it_was_discarded(operator: APIClient) -> None:
    delivery = dead()
    operator.post(f"{LETTERS}discard/", ids(delivery) | {"reason": "x"})
    assert operator.get(one(delivery)).json()["state"] == "discarded"
    assert operator.get(LETTERS).json()["results"] == []


@pytest.mark.parametrize("letter", ["dcb24d1c-ad47-4317-8792-d5f079768085", str(letter_id(10**9)), "17", "x"])
def test_an_unknown_letter_is_not_found(operator: APIClient, letter: str) -> None:
    assert_problem(operator.get(f"{LETTERS}{letter}/"), 404, "not-found")


def test_groups_are_counted(operator: APIClient) -> None:
    delivery, _ = dead(), dead()
    (group,) = operator.get(f"{LETTERS}groups/").json()
    assert (group["subscriber"], group["errorType"], group["count"]) == (delivery.subscriber, ERROR, 2)
    assert group["oldest"] <= group["newest"]


# --- working on dead letters -----------------------------------------------------------------------------


def test_letters_are_retried_by_id(operator: APIClient) -> None:
    delivery, alive = dead(), stories.deliveries_of(stories.placed())[0]
    answer = operator.post(f"{LETTERS}retry/", ids(delivery, alive))
    assert (answer.status_code, answer.json()) == (200, {"done": 1, "left": 0, "dryRun": False})
    assert state_of(delivery) == "pending"
    line = Audit.objects.get()
    assert (line.who, line.action, line.target_ids) == ("operator", "retry", [str(delivery.id)])


def test_a_group_is_discarded_with_a_reason(operator: APIClient) -> None:
    delivery, other = dead(), dead()
    answer = operator.post(f"{LETTERS}discard/", group_of(delivery) | {"reason": "tests"})
    assert answer.json() == {"done": 2, "left": 0, "dryRun": False}
    assert {state_of(delivery), state_of(other)} == {"discarded"}
    assert Audit.objects.get().reason == "tests"


def test_more_than_one_request_has_time_for_is_left(operator: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("events.dead_letters.api.MAX_PER_REQUEST", 2)
    first, _, _ = dead(), dead(), dead()
    group = group_of(first)
    assert operator.post(f"{LETTERS}retry/", group).json() == {"done": 2, "left": 1, "dryRun": False}
    assert operator.post(f"{LETTERS}retry/", group).json() == {"done": 1, "left": 0, "dryRun": False}


@pytest.mark.parametrize("deed", ["retry", "discard"])
def test_a_dry_run_only_counts(operator: APIClient, deed: str) -> None:
    delivery = dead()
    for choice in (ids(delivery), group_of(delivery)):
        answer = operator.post(f"{LETTERS}{deed}/", choice | {"dryRun": True})
        assert answer.json() == {"done": 1, "left": 0, "dryRun": True}
    assert state_of(delivery) == "dead"
    assert not Audit.objects.exists()


def test_discarding_wants_a_reason(operator: APIClient) -> None:
    delivery = dead()
    assert_problem(operator.post(f"{LETTERS}discard/", ids(delivery)), 422, "reason-missing")
    assert state_of(delivery) == "dead"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"ids": []}, "#/ids"),
        ({"ids": ["17"]}, "#/ids/0"),
        ({"group": {"subscriber": "a"}}, "#/group/errorType"),
        ({"group": {"subscriber": "a", "errorType": "b"}, "dryrun": True}, "#/dryrun"),
        ({"group": {"subscriber": "a\0", "errorType": "b"}}, "#/group/subscriber"),
        ([], "#"),
    ],
)
def test_what_does_not_fit_is_a_problem(operator: APIClient, body: Any, pointer: str) -> None:
    assert_problem(operator.post(f"{LETTERS}retry/", body), 400, "invalid", pointer)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/ids"),
        ({"ids": ["01a20800-0000-4000-8000-000000000000"]}, "#/ids/0"),
        ({"ids": [str(letter_id(1))], "group": {"subscriber": "a", "errorType": "b"}}, "#/ids"),
    ],
)
def test_what_fits_and_names_nothing_is_a_problem_too(operator: APIClient, body: Any, pointer: str) -> None:
    assert_problem(operator.post(f"{LETTERS}retry/", body), 422, "invalid", pointer)


def test_a_letter_is_edited(operator: APIClient) -> None:
    delivery = dead()
    data = {**delivery.event.data, "total": {"amount": "1.00", "currency": "EUR"}}
    asked = {"data": data, "reason": "a typo"}
    preview = operator.post(f"{one(delivery)}edit/", asked | {"dryRun": True}).json()
    assert '+    "amount": "1.00"' in preview["diff"]
    assert state_of(delivery) == "dead"
    assert operator.post(f"{one(delivery)}edit/", asked).json() == preview | {"dryRun": False}
    letter = operator.get(one(delivery)).json()
    assert (letter["state"], letter["editedData"], letter["data"]) == ("pending", data, delivery.event.data)
    assert_problem(operator.post(f"{one(delivery)}edit/", asked), 422, "not-dead")


def test_data_that_do_not_fit_are_refused(operator: APIClient) -> None:
    delivery = dead()
    asked = {"data": {"orderId": "x"}, "reason": "x"}
    assert_problem(operator.post(f"{one(delivery)}edit/", asked), 422, "invalid-data")


# --- sagas -----------------------------------------------------------------------------------------------


def stuck() -> tuple[Order, SagaRun]:
    order = stories.stuck()
    return order, SagaRun.objects.get(subject=order.id)


def test_sagas_are_listed_and_narrowed(operator: APIClient) -> None:
    order, run = stuck()
    stories.confirmed()
    listed = operator.get(SAGAS).json()["results"]
    assert [saga["state"] for saga in listed] == ["done", "stuck"]
    for query in ({"order": str(order.id)}, {"state": "stuck"}):
        (found,) = operator.get(SAGAS, query).json()["results"]
        assert (found["id"], found["saga"], found["order"]) == (str(run.id), "PlaceOrder", str(order.id))
        assert found["part"] is None
    assert operator.get(SAGAS, {"saga": "CancelOrder"}).json()["results"] == []
    for query in ({"state": "odd"}, {"order": "17"}, {"ordr": "x"}):
        assert_problem(operator.get(SAGAS, query), 400, "invalid")


def test_one_saga_tells_its_steps_and_what_may_be_done(operator: APIClient) -> None:
    _, run = stuck()
    saga = operator.get(f"{SAGAS}{run.id}/").json()
    states = {step["name"]: step["state"] for step in saga["steps"]}
    assert (states["hold_stock"], states["authorize_payment"], states["commit_stock"]) == (
        "undone", "stuck", "not_begun",
    )  # fmt: skip
    assert [step["name"] for step in saga["steps"] if step["pivot"]] == ["commit_stock", "confirm_order"]
    assert saga["repairs"] == {"retry": True, "skip": ["authorize_payment"], "compensate": False}
    assert_problem(operator.get(f"{SAGAS}{uuid4()}/"), 404, "not-found")


def test_a_saga_of_a_return_names_it(operator: APIClient) -> None:
    _, run = stuck()
    run.part = uuid4()
    run.save()
    (listed,) = operator.get(SAGAS).json()["results"]
    assert (listed["part"], operator.get(f"{SAGAS}{run.id}/").json()["part"]) == (str(run.part), str(run.part))


def test_a_saga_is_retried(operator: APIClient) -> None:
    _, run = stuck()
    answer = operator.post(f"{SAGAS}{run.id}/retry/")
    assert (answer.status_code, answer.json()["state"]) == (202, "compensating")
    assert run.steps.get(name="authorize_payment").state == StepState.UNDOING
    assert_problem(operator.post(f"{SAGAS}{run.id}/retry/"), 409, "illegal-transition")
    assert Audit.objects.get().who == "operator"


def test_a_step_is_skipped_with_a_reason(operator: APIClient) -> None:
    _, run = stuck()
    url = f"{SAGAS}{run.id}/skip/"
    assert_problem(operator.post(url, {"step": "authorize_payment"}), 400, "invalid", "#/reason")
    assert_problem(operator.post(url, {"step": "hold_stock", "reason": "x"}), 409, "illegal-transition")
    answer = operator.post(url, {"step": "authorize_payment", "reason": "voided at the bank"})
    assert answer.status_code == 202
    assert run.steps.get(name="authorize_payment").state == StepState.SKIPPED
    assert Audit.objects.get().reason == "voided at the bank"


def test_a_saga_is_turned_back(operator: APIClient) -> None:
    run = stories.saga_run(stories.placed().id, RunState.RUNNING, {"hold_stock": StepState.WAITING})
    answer = operator.post(f"{SAGAS}{run.id}/compensate/", {"reason": "asked by phone"})
    assert (answer.status_code, answer.json()["reasonCode"]) == (202, "turned_back_by_staff")
    _, late = stuck()
    late.steps.create(name="commit_stock", state=StepState.FAILED, begun_at=timezone.now())
    problem = assert_problem(operator.post(f"{SAGAS}{late.id}/compensate/"), 409, "illegal-transition")
    assert "pivot commit_stock has begun" in problem["detail"]
    assert_problem(operator.post(f"{SAGAS}{uuid4()}/compensate/"), 404, "not-found")


# --- who may ---------------------------------------------------------------------------------------------

READS = (LETTERS, f"{LETTERS}groups/", f"{LETTERS}{letter_id(1)}/", SAGAS, f"{SAGAS}{uuid4()}/")
WRITES = (
    f"{LETTERS}retry/", f"{LETTERS}discard/", f"{LETTERS}{letter_id(1)}/edit/", f"{SAGAS}{uuid4()}/retry/",
    f"{SAGAS}{uuid4()}/skip/", f"{SAGAS}{uuid4()}/compensate/",
)  # fmt: skip


def test_customers_may_nothing_and_strangers_must_log_in() -> None:
    customer, stranger = client_of(user("customer")), client_of(None)
    for url in READS:
        assert_problem(customer.get(url), 403, "permission-denied")
        assert_problem(stranger.get(url), 401, "not-authenticated")
    for url in WRITES:
        assert_problem(customer.post(url, {}), 403, "permission-denied")
        assert_problem(stranger.post(url, {}), 401, "not-authenticated")


def test_each_deed_needs_its_own_permission() -> None:
    for url, right in zip(WRITES, (*RIGHTS[1:4], *[RIGHTS[5]] * 3), strict=True):
        others = [one for one in RIGHTS if one != right]
        assert_problem(client_of(user("", *others)).post(url, {}), 403, "permission-denied")
        assert client_of(user("", right)).post(url, {}).status_code in {400, 404, 422}


def test_other_methods_are_refused(operator: APIClient) -> None:
    assert_problem(operator.delete(LETTERS), 405, "method-not-allowed")
