"""POST orders/: what is accepted, what is refused, and how each refusal says what is wrong."""

import gzip
import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from rest_framework.test import APIClient

from desk.actors import name_of
from events.models import StoredEvent
from inventory.models import Product
from orderproject.models import User
from orders.models import Order, OrderLine
from tests.integration.api import ADDRESS, ORDERS, assert_problem, client_of, order, place, product, user

pytestmark = pytest.mark.django_db


@pytest.fixture
def customer() -> User:
    return user("ada")


@pytest.fixture
def client(customer: User) -> APIClient:
    product("MUG-RED", "9.90")
    product("TEAPOT", "34.50")
    return client_of(customer)


def send(client: APIClient, body: Any, content_type: str = "application/json", **headers: str) -> Any:
    headers = {"Idempotency-Key": str(uuid4()), **headers}
    return client.generic("POST", ORDERS, body, content_type=content_type, headers=headers)


def changed(**changes: Any) -> bytes:
    return json.dumps(order(**changes)).encode()


NOT_YET = {"shippedQuantity": 0, "returnedQuantity": 0, "cancelledQuantity": 0}


def test_an_order_is_accepted(client: APIClient, customer: User) -> None:
    response = place(client, ("MUG-RED", 2), ("TEAPOT", 1))

    assert response.status_code == 201
    assert response["Content-Type"] == "application/json"
    body = response.json()
    assert response["Location"] == f"{ORDERS}{body['id']}/"
    assert response["ETag"]
    assert UUID(body.pop("id")).version == 7
    assert body.pop("number")
    created, updated = body.pop("createdAt"), body.pop("updatedAt")
    assert created.endswith("Z")
    assert updated >= created
    mug = {"sku": "MUG-RED", "name": "Mug-Red", "quantity": 2, **NOT_YET}
    pot = {"sku": "TEAPOT", "name": "Teapot", "quantity": 1, **NOT_YET}
    assert body == {
        "status": "pending",
        "version": 1,
        "currency": "EUR",
        "total": {"amount": "54.30", "currency": "EUR"},
        "items": [
            {**mug, "unitPrice": euros("9.90"), "lineTotal": euros("19.80")},
            {**pot, "unitPrice": euros("34.50"), "lineTotal": euros("34.50")},
        ],
        "email": "ada@example.com",
        "shippingAddress": ADDRESS,
        "payment": {"status": "pending", "reason": None},
        "cancelReason": None,
    }
    assert Order.objects.get().customer_id == customer.id


def euros(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "EUR"}


def test_the_event_knows_who_and_which_request(client: APIClient, customer: User) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    response = send(client, changed(), **{"X-Request-ID": "of-mine", "traceparent": trace})
    assert response["X-Request-ID"] == "of-mine"
    event = StoredEvent.objects.get(type="order.created")
    assert (event.correlation_id, name_of(event.actor), event.traceparent) == ("of-mine", "ada", trace)


@pytest.mark.parametrize("lines", [1, 40])
def test_it_takes_a_constant_number_of_statements(
    client: APIClient, lines: int, django_assert_max_num_queries: Any
) -> None:
    """What is for sale, and then everything at once."""
    Product.objects.bulk_create(Product(sku=f"P{number}", name="P", price="1.00") for number in range(lines))
    with django_assert_max_num_queries(2):
        assert place(client, *((f"P{number}", 1) for number in range(lines))).status_code == 201


def test_the_answer_is_what_is_read_later(client: APIClient) -> None:
    placed = place(client)
    read = client.get(placed["Location"])
    assert (read.json(), read["ETag"]) == (placed.json(), placed["ETag"])


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"currency": "euro"}, "#/currency"),
        ({"currency": 1}, "#/currency"),
        ({"email": "nobody"}, "#/email"),
        ({"email": f"{'a' * 250}@example.com"}, "#/email"),
        ({"paymentToken": ""}, "#/paymentToken"),
        ({"paymentToken": "tok visa"}, "#/paymentToken"),
        ({"paymentToken": "t" * 256}, "#/paymentToken"),
        ({"shippingAddress": {**ADDRESS, "country": "Germany"}}, "#/shippingAddress/country"),
        ({"shippingAddress": {**ADDRESS, "planet": "Mars"}}, "#/shippingAddress/planet"),
        ({"shippingAddress": {}}, "#/shippingAddress/name"),
        ({"shippingAddress": None}, "#/shippingAddress"),
        ({"items": []}, "#/items"),
        ({"items": {}}, "#/items"),
        ({"items": [{"sku": "MUG-RED"}]}, "#/items/0/quantity"),
        ({"items": [{"sku": "MUG-RED", "quantity": 0}]}, "#/items/0/quantity"),
        ({"items": [{"sku": "MUG-RED", "quantity": 10_001}]}, "#/items/0/quantity"),
        ({"items": [{"sku": "MUG-RED", "quantity": "2"}]}, "#/items/0/quantity"),
        ({"items": [{"sku": "MUG-RED", "quantity": 1.5}]}, "#/items/0/quantity"),
        ({"items": [{"sku": "MUG-RED", "quantity": True}]}, "#/items/0/quantity"),
        ({"items": [{"sku": "MUG-RED", "quantity": 10**30}]}, "#/items/0/quantity"),
        ({"items": [{"sku": "", "quantity": 1}]}, "#/items/0/sku"),
        ({"items": [{"sku": "MUG-RED", "quantity": 1, "price": "0.01"}]}, "#/items/0/price"),
        ({"items": [{"sku": f"S{number}", "quantity": 1} for number in range(501)]}, "#/items"),
        ({"currency": "EUR\n"}, "#/currency"),
        ({"paymentToken": "tok_visa\n"}, "#/paymentToken"),
        ({"discount": 1}, "#/discount"),
        ({"a/b~c": 1}, "#/a~1b~0c"),
        ({"email": "a\0@example.com"}, "#/email"),
        ({"shippingAddress": {**ADDRESS, "city": "Ber\0lin"}}, "#/shippingAddress/city"),
        ({"items": [{"sku": "M\0", "quantity": 1}]}, "#/items/0/sku"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(client: APIClient, changes: Any, pointer: str) -> None:
    assert_problem(send(client, changed(**changes)), 400, "invalid", pointer)
    assert not Order.objects.exists()


def test_an_integer_may_be_written_as_json_allows(client: APIClient) -> None:
    body = json.dumps(order(("MUG-RED", 2))).replace('"quantity": 2', '"quantity": 2.0')
    assert send(client, body).json()["items"][0]["quantity"] == 2


def test_a_product_stands_in_an_order_once(client: APIClient) -> None:
    twice = [{"sku": "TEAPOT", "quantity": 1}, {"sku": "MUG-RED", "quantity": 1}] * 2
    assert_problem(send(client, changed(items=twice)), 422, "invalid", "#/items/2/sku")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nonsense",
        b'{"items": NaN}',
        b'{"currency": "EUR",}',
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        b'{"email": "\xff"}',
        b'{"email": "\\ud800"}',
        b'{"email": "\x00"}',
        b'{"\\ud800": 1}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"9" * 10_000,
        b"1e999",
        b"\0",
    ],
)
def test_what_is_no_json_is_refused(client: APIClient, body: bytes) -> None:
    assert_problem(send(client, body), 400, "parse-error")


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"1", b"", b"{}", b'{"\\u0000": 1}'])
def test_json_that_is_no_order_is_refused(client: APIClient, body: bytes) -> None:
    assert_problem(send(client, body), 400, "invalid")


def test_a_deep_nest_with_a_nul_in_it_is_refused(client: APIClient) -> None:
    assert send(client, b"[" * 900 + b'"\\u0000"' + b"]" * 900).status_code == 400


def test_a_backslash_before_u0000_is_no_nul(client: APIClient) -> None:
    address = {**ADDRESS, "city": "\\u0000"}
    assert place(client, shippingAddress=address).json()["shippingAddress"] == address


def test_empty_address_lines_and_any_script_are_taken(client: APIClient) -> None:
    address = {"name": "Ünïcödé 😀 مرحبا 山田", "line1": "", "city": "", "postalCode": "", "country": "DE"}
    placed = place(client, shippingAddress=address)
    assert client.get(placed["Location"]).json()["shippingAddress"] == address


def test_a_body_over_1_mib_is_refused(client: APIClient) -> None:
    body = changed(email="a" * 1024 * 1024)
    assert_problem(send(client, body), 413, "too-large")


@pytest.mark.parametrize("caller", ["customer", "nobody"])
def test_a_refused_body_is_read_to_its_end(client: APIClient, caller: str) -> None:
    """Or the connection would be reset before the client has read why."""
    sender = client if caller == "customer" else client_of(None)
    assert send(sender, b"a" * 3_000_000).wsgi_request._stream.read() == b""


def test_chunks_whose_end_the_server_does_not_find_are_refused(client: APIClient) -> None:
    """Without nginx, as with `runserver`; tests/acceptance/test_bodies.py sends chunks to nginx."""
    response = client.generic("POST", ORDERS, "", headers={"Transfer-Encoding": "chunked"}, CONTENT_LENGTH="")
    assert_problem(response, 411, "length-required")


@pytest.mark.parametrize("encoding", ["gzip", "br", "GZIP", "deflate, gzip"])
def test_a_compressed_body_is_refused(client: APIClient, encoding: str) -> None:
    answer = send(client, gzip.compress(changed()), **{"Content-Encoding": encoding})
    assert_problem(answer, 415, "unsupported-encoding")
    assert answer["Accept-Encoding"] == "identity"


def test_a_body_may_say_that_it_is_not_compressed(client: APIClient) -> None:
    assert send(client, changed(), **{"Content-Encoding": "identity"}).status_code == 201


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_another_content_type_is_refused(client: APIClient, content_type: str) -> None:
    assert_problem(send(client, changed(), content_type), 415, "unsupported-media-type")


def test_another_representation_cannot_be_had(client: APIClient) -> None:
    assert_problem(client.get(ORDERS, headers={"Accept": "text/html"}), 406, "not-acceptable")


def test_an_unknown_product_is_named(client: APIClient) -> None:
    response = place(client, ("MUG-RED", 1), ("NO-SUCH", 1))
    assert_problem(response, 422, "unknown-product", "#/items/1/sku")


def test_a_product_that_is_not_for_sale_is_unknown(client: APIClient) -> None:
    Product.objects.filter(sku="TEAPOT").update(active=False)
    assert_problem(place(client, ("TEAPOT", 1)), 422, "unknown-product")


def test_another_currency_is_refused(client: APIClient) -> None:
    assert_problem(place(client, currency="USD"), 422, "wrong-currency", "#/items/0/sku")


def test_the_largest_order_is_accepted(client: APIClient) -> None:
    Product.objects.bulk_create(Product(sku=f"BULK-{number}", name="Bulk", price="1.00") for number in range(500))
    response = place(client, *((f"BULK-{number}", 10_000) for number in range(500)))
    assert response.json()["total"] == euros("5000000.00")
    assert OrderLine.objects.count() == 500


def test_nobody_else_may(client: APIClient) -> None:
    response = place(client_of(None))
    assert_problem(response, 401, "not-authenticated")
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_no_session_is_opened(client: APIClient) -> None:
    response = place(client)
    assert not response.cookies
    assert "Cookie" not in response.get("Vary", "")
