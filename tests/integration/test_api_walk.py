"""Every route that the API describes, asked for what is another's. New routes are walked without being listed.

What a customer may ask at all is listed here; whatever else there is, now or later, must be refused to him.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from desk.models import Audit
from events.dead_letters.queries import letter_id
from events.models import Delivery, StoredEvent
from inventory.models import Product, Stock
from orderproject.accounts import api_keys
from orderproject.accounts.groups import groups
from orderproject.models import ApiKey, User
from orders.models import Order, Return
from sagas.models import SagaRun, SagaStep
from sagas.plan import RunState, StepState
from tests import stories
from tests.integration.api import ADDRESS, BASE, client_of, place, product, user

pytestmark = pytest.mark.django_db

# Below BASE, without what stands in braces.
OPEN = {
    "auth/token/ post", "auth/token/refresh/ post", "products/ get", "products/*/ get",
    "event-types/*/*/envelope.json get", "event-types/*/*/schema.json get",
}  # fmt: skip
OF_CUSTOMERS = OPEN | {
    "orders/ get", "orders/ post", "orders/bulk/ post", "orders/*/ get", "orders/*/cancel/ post",
    "orders/*/returns/ post", "returns/ get", "returns/*/ get",
    "orders/*/events/ get", "orders/*/stream/ get", "stream/ get",
    "webhooks/ get", "webhooks/ post", "webhooks/*/ get", "webhooks/*/ patch", "webhooks/*/ delete",
    "webhooks/*/rotate-secret/ post", "webhooks/*/test/ post", "webhooks/*/deliveries/ get",
    "webhooks/*/deliveries/*/redeliver/ post", "webhooks/*/deliveries/*/skip/ post",
}  # fmt: skip


# --- the routes ------------------------------------------------------------------------------------------


@cache
def described() -> dict[str, Any]:
    schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return schema


class Route:
    """One operation of the description."""

    def __init__(self, path: str, method: str, operation: dict[str, Any]) -> None:
        self.path, self.method, self.operation = path, method, operation
        below = path.removeprefix(BASE)
        parts = ["*" if part.startswith("{") else part for part in below.split("/")]
        self.name = f"{'/'.join(parts)} {method}"
        self.parameters = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        self.queries = [one["name"] for one in operation["parameters"] if one.get("in") == "query"]

    @property
    def of_one(self) -> bool:
        """Whether it is about something that has an owner."""
        return self.path.startswith((f"{BASE}orders/{{", f"{BASE}returns/{{", f"{BASE}webhooks/{{"))

    def body(self) -> Any:
        content = self.operation.get("requestBody", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema")
        return sample(schema) if schema else None

    def ask(self, client: APIClient, ids: dict[str, Any], **query: Any) -> Any:
        """With a body that fits, so that a refusal is not for its sake; what nobody has an id for gets a new one."""
        path = self.path.format(**{name: ids.get(name, uuid4()) for name in self.parameters})
        headers = {"Idempotency-Key": str(uuid4()), "Accept": "application/json, text/event-stream"}
        if self.method == "get":
            return client.get(path, query, headers=headers)
        body = json.dumps(self.body())
        return client.generic(self.method.upper(), path, body, "application/json", headers=headers)

    def __repr__(self) -> str:
        return self.name


def routes() -> list[Route]:
    return [
        Route(path, method, operation)
        for path, methods in sorted(described()["paths"].items())
        for method, operation in sorted(methods.items())
    ]


def sample(schema: dict[str, Any]) -> Any:
    """Something that fits."""
    if "$ref" in schema:
        return sample(described()["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for alternatives in ("anyOf", "oneOf", "allOf"):
        if alternatives in schema:
            return sample(schema[alternatives][0])
    default = [schema["default"]] if "default" in schema else []
    for known in (*schema.get("examples", ()), *schema.get("enum", ()), *default):
        return known
    formats = {"uuid": str(uuid4()), "date-time": "2026-01-15T10:30:00Z", "uri": "https://example.com/"}
    made = {
        "object": lambda: {name: sample(schema["properties"][name]) for name in schema.get("required", ())},
        "array": lambda: [sample(schema["items"]) for _ in range(schema.get("minItems", 0))],
        "integer": lambda: schema.get("minimum", 1),
        "boolean": lambda: True,
        "string": lambda: formats.get(schema.get("format", ""), "x" * schema.get("minLength", 1)),
    }
    return made.get(schema.get("type", ""), dict)()


# --- what there is of another ----------------------------------------------------------------------------


class Another:
    """A customer with an order that has a saga and a dead letter, and with whatever else a customer can make."""

    def __init__(self) -> None:
        self.user = user("another")
        client = client_of(self.user)
        product("MUG-RED")
        placed = place(client, email="another@example.com", shippingAddress={**ADDRESS, "name": "Another One"})
        self.order = Order.objects.get(id=placed.json()["id"])
        taken = Return.objects.create(order=self.order, reason="another reason", refund=1)
        run = stories.saga_run(self.order.id, RunState.STUCK, {"hold_stock": StepState.STUCK})
        letter = letter_id(stories.dead_delivery(self.order).id)
        self.ids = {**NOBODYS, "order_id": self.order.id, "run_id": run.id, "letter": letter, "return_id": taken.id}
        for collection in routes():
            if collection.name in MADE:
                answer = collection.ask(client, {})
                assert answer.status_code == 201, answer.content
                self.ids[item_of(collection)] = answer.json()["id"]

    def secrets(self) -> list[bytes]:
        """What no answer to anybody else may hold."""
        ids = [id_ for name, id_ in self.ids.items() if name not in NOBODYS]
        return [str(text).encode() for text in (self.user.id, self.order.number, self.order.email, "Another One", *ids)]

    def state(self) -> list[Any]:
        """All that somebody could have changed."""
        tables = (Order, Return, StoredEvent, SagaRun, SagaStep, Delivery, Product, Stock)
        return [list(table.objects.order_by("pk").values()) for table in tables]


MADE = {"webhooks/ post"}
NOBODYS = {"sku": "MUG-RED", "type": "order.created", "version": "1.0"}
"""What routes name and nobody owns."""


def item_of(collection: Route) -> str:
    """The parameter that names one of these."""
    return next(
        route.parameters[0]
        for route in routes()
        if route.path.startswith(f"{collection.path}{{") and len(route.parameters) == 1
    )


@pytest.fixture
def another() -> Another:
    return Another()


# --- the walk --------------------------------------------------------------------------------------------


def test_what_is_listed_above_is_there() -> None:
    assert {route.name for route in routes()} >= OF_CUSTOMERS


def test_a_stranger_must_log_in_everywhere_but_where_it_is_open(another: Another) -> None:
    before, answers = another.state(), {}
    for route in routes():
        if route.name not in OPEN:
            answers[route.name] = route.ask(client_of(None), another.ids).status_code
    assert {name: status for name, status in answers.items() if status != 401} == {}
    assert len(answers) >= 16
    assert another.state() == before


def test_what_is_anothers_is_not_there(another: Another) -> None:
    """To read, to cancel, to follow, as it was at any time: each a 404, as if it did not exist."""
    before, answers = another.state(), {}
    customer = client_of(user())
    for route in routes():
        if route.of_one and route.name in OF_CUSTOMERS:
            answers[route.name] = route.ask(customer, another.ids).status_code
            for name in route.queries:
                answers[f"{route.name}?{name}"] = route.ask(customer, another.ids, **{name: 1}).status_code
    assert {name: status for name, status in answers.items() if status != 404} == {}
    assert {"orders/*/ get", "orders/*/cancel/ post", "orders/*/events/ get"} <= answers.keys()
    assert another.state() == before


@pytest.mark.parametrize("is_staff", [False, True])
def test_what_is_for_staff_is_refused_without_the_permission(another: Another, is_staff: bool) -> None:
    before, answers = another.state(), {}
    caller = client_of(user(is_staff=is_staff))
    for route in routes():
        if route.name not in OF_CUSTOMERS:
            answers[route.name] = route.ask(caller, another.ids).status_code
    assert {name: status for name, status in answers.items() if status not in {403, 404}} == {}
    assert {"stock/adjust/ post", "products/ post", "dead-letters/retry/ post", "sagas/*/skip/ post"} <= answers.keys()
    assert another.state() == before
    assert not Audit.objects.exists()


def test_auditors_read_everything_and_change_nothing(another: Another) -> None:
    before, wrong = another.state(), {}
    auditor = user("auditor")
    auditor.groups.add(Group.objects.get(name="auditors"))
    for route in routes():
        if route.name not in OF_CUSTOMERS or route.of_one:
            status = route.ask(client_of(auditor), another.ids).status_code
            if (status == 403) if route.method == "get" else (status not in {403, 404}):
                wrong[route.name] = status
    assert wrong == {}
    assert another.state() == before


def test_auditors_may_open_every_list_of_the_admin() -> None:
    ours = {config.label for config in apps.get_app_configs() if "." not in config.name and config.label != "axes"}
    seen = {f"{model._meta.app_label}.view_{model._meta.model_name}" for model in admin.site._registry}
    assert {right for right in seen if right.partition(".")[0] in ours} <= set(groups()["auditors"])


def test_what_a_customer_may_ask_tells_nothing_of_another(another: Another) -> None:
    secrets, told = another.secrets(), {}
    customer = client_of(user())
    for route in routes():
        if route.name in OF_CUSTOMERS and not route.of_one:
            answer = route.ask(customer, another.ids)
            told[route.name] = [secret for secret in secrets if secret in answer.content]
            assert answer.status_code != 500, route
    assert {name: found for name, found in told.items() if found} == {}
    assert "orders/ get" in told


def test_a_key_opens_what_a_token_opens(another: Another) -> None:
    boss = User.objects.create_superuser("boss")
    server = client_of(None)
    server.credentials(HTTP_AUTHORIZATION=f"Api-Key {api_keys.issue(ApiKey(user=boss, name='x'), actor='boss')}")
    for route in routes():
        if route.method == "get":
            by_key, by_token = (route.ask(client, another.ids).status_code for client in (server, client_of(boss)))
            assert by_key == by_token != 401, route


def test_the_owner_is_let_in_by_the_same_door(another: Another) -> None:
    """Or the walk above would pass on doors that are shut for everybody."""
    owner, statuses = client_of(another.user), {}
    for route in routes():
        if route.of_one and route.name in OF_CUSTOMERS and route.method == "get":
            statuses[route.name] = route.ask(owner, another.ids).status_code
    assert statuses["orders/*/ get"] == statuses["orders/*/events/ get"] == 200
    assert 404 not in statuses.values()
