"""What the API says of itself is valid, complete and true."""

from io import StringIO
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client
from rest_framework.test import APIClient

from tests.integration.api import BASE, ORDERS, assert_problem, client_of, order, place, product, user

pytestmark = pytest.mark.django_db


@pytest.fixture
def schema(client: Client) -> dict[str, Any]:
    answer = client.get(f"{BASE}schema/?format=json")
    assert answer.status_code == 200
    described: dict[str, Any] = answer.json()
    return described


@pytest.fixture
def caller() -> APIClient:
    product()
    return client_of(user())


def fits(schema: dict[str, Any], name: str, instance: Any) -> None:
    reference = {"$ref": f"#/components/schemas/{name}", "components": schema["components"]}
    jsonschema.Draft202012Validator(reference, format_checker=jsonschema.FormatChecker()).validate(instance)


def test_it_is_valid_and_without_a_warning() -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=StringIO())


def test_it_is_openapi_3_1_and_names_what_is_there(schema: dict[str, Any]) -> None:
    assert schema["openapi"].startswith("3.1")
    assert {(path, method) for path, methods in schema["paths"].items() for method in methods} == {
        (f"{BASE}auth/token/", "post"),
        (f"{BASE}auth/token/refresh/", "post"),
        (f"{BASE}products/", "get"),
        (f"{BASE}products/", "post"),
        (f"{BASE}products/{{sku}}/", "get"),
        (f"{BASE}products/{{sku}}/", "patch"),
        (f"{BASE}stock/", "get"),
        (f"{BASE}stock/adjust/", "post"),
        (f"{BASE}orders/", "get"),
        (f"{BASE}orders/", "post"),
        (f"{BASE}orders/bulk/", "post"),
        (f"{BASE}orders/{{order_id}}/", "get"),
        (f"{BASE}orders/{{order_id}}/cancel/", "post"),
        (f"{BASE}orders/{{order_id}}/shipments/", "post"),
        (f"{BASE}orders/{{order_id}}/deliver/", "post"),
        (f"{BASE}orders/{{order_id}}/returns/", "post"),
        (f"{BASE}orders/{{order_id}}/refunds/", "post"),
        (f"{BASE}returns/", "get"),
        (f"{BASE}returns/{{return_id}}/", "get"),
        (f"{BASE}returns/{{return_id}}/approve/", "post"),
        (f"{BASE}returns/{{return_id}}/reject/", "post"),
        (f"{BASE}returns/{{return_id}}/receive/", "post"),
        (f"{BASE}orders/{{order_id}}/events/", "get"),
        (f"{BASE}orders/{{order_id}}/stream/", "get"),
        (f"{BASE}stream/", "get"),
        (f"{BASE}dead-letters/", "get"),
        (f"{BASE}dead-letters/groups/", "get"),
        (f"{BASE}dead-letters/retry/", "post"),
        (f"{BASE}dead-letters/discard/", "post"),
        (f"{BASE}dead-letters/{{letter}}/", "get"),
        (f"{BASE}dead-letters/{{letter}}/edit/", "post"),
        (f"{BASE}replays/", "post"),
        (f"{BASE}replays/{{replay_id}}/", "get"),
        (f"{BASE}events/", "get"),
        (f"{BASE}customers/{{customer_id}}/forget/", "post"),
        (f"{BASE}event-types/", "get"),
        (f"{BASE}event-types/{{type}}/{{version}}/envelope.json", "get"),
        (f"{BASE}event-types/{{type}}/{{version}}/schema.json", "get"),
        (f"{BASE}asyncapi.json", "get"),
        (f"{BASE}sagas/", "get"),
        (f"{BASE}sagas/{{run_id}}/", "get"),
        (f"{BASE}sagas/{{run_id}}/retry/", "post"),
        (f"{BASE}sagas/{{run_id}}/skip/", "post"),
        (f"{BASE}sagas/{{run_id}}/compensate/", "post"),
        (f"{BASE}webhooks/", "get"),
        (f"{BASE}webhooks/", "post"),
        (f"{BASE}webhooks/{{webhook_id}}/", "get"),
        (f"{BASE}webhooks/{{webhook_id}}/", "patch"),
        (f"{BASE}webhooks/{{webhook_id}}/", "delete"),
        (f"{BASE}webhooks/{{webhook_id}}/rotate-secret/", "post"),
        (f"{BASE}webhooks/{{webhook_id}}/test/", "post"),
        (f"{BASE}webhooks/{{webhook_id}}/deliveries/", "get"),
        (f"{BASE}webhooks/{{webhook_id}}/deliveries/{{delivery_id}}/redeliver/", "post"),
        (f"{BASE}webhooks/{{webhook_id}}/deliveries/{{delivery_id}}/skip/", "post"),
    }


def operations(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for methods in schema["paths"].values() for operation in methods.values()]


def test_every_error_is_a_problem_and_every_answer_has_the_id(schema: dict[str, Any]) -> None:
    for operation in operations(schema):
        for status, response in operation["responses"].items():
            assert "X-Request-ID" in response["headers"]
            assert response["description"] or status < "300"
            if status >= "400":
                assert list(response["content"]) == ["application/problem+json"]


def test_operations_have_names_of_their_own(schema: dict[str, Any]) -> None:
    names = [operation["operationId"] for operation in operations(schema)]
    assert len(set(names)) == len(names)


def test_only_the_catalogue_and_the_log_in_are_open(schema: dict[str, Any]) -> None:
    without = {operation["operationId"] for operation in operations(schema) if not any(operation.get("security", []))}
    assert without == {
        "login", "refresh", "listProducts", "getProduct", "getEventSchema", "getEnvelopeSchema",
    }  # fmt: skip
    assert schema["components"]["securitySchemes"]["jwtAuth"]["scheme"] == "bearer"


def test_a_token_or_a_key_will_do(schema: dict[str, Any]) -> None:
    schemes = schema["components"]["securitySchemes"]
    assert (schemes["apiKeyAuth"]["in"], schemes["apiKeyAuth"]["name"]) == ("header", "Authorization")
    for operation in operations(schema):
        assert operation.get("security", [{}]) in ([{}], [{"jwtAuth": []}, {"apiKeyAuth": []}]), operation


def test_every_answer_tells_the_rate_limit(schema: dict[str, Any]) -> None:
    for operation in operations(schema):
        assert "429" in operation["responses"]
        for response in operation["responses"].values():
            assert {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"} <= response["headers"].keys()


def test_placing_is_described_with_all_its_headers(schema: dict[str, Any]) -> None:
    operation = schema["paths"][ORDERS]["post"]
    assert {"Location", "ETag", "Idempotency-Replayed"} <= operation["responses"]["201"]["headers"].keys()
    key = next(parameter for parameter in operation["parameters"] if parameter.get("name") == "Idempotency-Key")
    assert (key["in"], key["required"], key["schema"]["maxLength"]) == ("header", True, 255)
    assert {"400", "401", "409", "413", "415", "422", "503"} <= operation["responses"].keys()


def test_filters_and_pages_are_described(schema: dict[str, Any]) -> None:
    names = {parameter.get("name") for parameter in schema["paths"][ORDERS]["get"]["parameters"]}
    assert {
        "status", "createdAfter", "createdBefore", "sku", "customer", "ordering", "cursor", "limit"
    } <= names  # fmt: skip


def test_what_is_answered_fits(schema: dict[str, Any], caller: APIClient) -> None:
    placed = place(caller)
    fits(schema, "Order", placed.json())
    fits(schema, "OrderPage", caller.get(ORDERS).json())
    fits(schema, "ProductPage", caller.get(f"{BASE}products/").json())
    fits(schema, "Product", caller.get(f"{BASE}products/MUG-RED/").json())
    fits(schema, "Problem", assert_problem(place(caller, ("NONE", 1)), 422))
    for event in caller.get(f"{placed['Location']}events/").json():
        fits(schema, "Envelope", event)


def test_what_may_be_sent_fits(schema: dict[str, Any]) -> None:
    fits(schema, "NewOrder", order())
    with pytest.raises(jsonschema.ValidationError):
        fits(schema, "NewOrder", order(more=1))


def test_the_pages_to_read_need_nothing_from_elsewhere(client: Client) -> None:
    page = client.get(f"{BASE}docs/")
    assert page.status_code == 200
    html = page.content.decode()
    assert "swagger-ui" in html
    for part in html.split('"'):
        assert not part.startswith(("http://", "https://", "//"))
        if part.startswith("/static/"):
            assert finders.find(part.removeprefix("/static/")), part


def test_yaml_too_and_no_other_format(client: Client) -> None:
    assert client.get(f"{BASE}schema/").content.startswith(b"openapi: 3.1")
    assert_problem(client.get(f"{BASE}schema/?format=xml"), 404)
