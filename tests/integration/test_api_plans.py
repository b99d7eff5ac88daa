"""With a million orders, every list still takes the same few statements, each by an index."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import msgspec
import pytest
from django.db import connection
from rest_framework.test import APIClient

from tests.integration.api import ORDERS, client_of, user

STORED = 1_000_000
CUSTOMERS = 10_000
SOMEBODY = UUID(int=7)
FULL_SCANS = {"Seq Scan", "Parallel Seq Scan"}
DEAR = 3_000
"""In PostgreSQL's units; walking through one of the large indexes costs ten times as much."""
LARGE = {"orders_order", "orders_orderline", "events_storedevent"}

ADD_ORDERS = """
INSERT INTO orders_order (id, number, customer_id, email, currency, total, shipping_address, payment_token, status,
                          cancel_request, cancel_reason, cancel_detail, version, created_at, updated_at)
SELECT (lpad(to_hex(1767225600000 + n * 1000), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid,
       'N' || n, lpad(to_hex(n %% %s), 32, '0')::uuid, 'a@example.com', 'EUR', 10, '{}', 'tok_visa',
       CASE WHEN n %% 1000 = 0 THEN 'pending' WHEN n %% 50 = 0 THEN 'cancelled' ELSE 'confirmed' END,
       '', '', '', 2, to_timestamp(1767225600 + n), now()
FROM generate_series(1, %s) AS n
"""
ADD_LINES = """
INSERT INTO orders_orderline (order_id, position, sku, name, quantity, unit_price, shipped_quantity, returned_quantity)
SELECT id, 0, CASE WHEN right(number, 6) = '777777' THEN 'RARE' ELSE 'SKU-' || right(number, 3) END,
       'Thing', 1, 10, 0, 0
FROM orders_order
"""
ADD_PAYMENTS = """
INSERT INTO events_storedevent (event_id, stream, stream_version, type, version, data, source,
                                actor, correlation_id, causation_id, traceparent, time)
SELECT id, 'payment:' || id, 1, 'payment.succeeded', '1.0', '{}', 'payment-service', '', '', '', '', created_at
FROM orders_order ORDER BY id DESC LIMIT 200000
"""

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def many(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A million orders, for all tests of this module: they take some seconds to make."""
    tables = "orders_order, orders_orderline, events_storedevent"
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(ADD_ORDERS, [CUSTOMERS, STORED])
        cursor.execute(ADD_LINES)
        cursor.execute(ADD_PAYMENTS)
        cursor.execute(f"ANALYZE {tables}")
        yield
        cursor.execute(f"TRUNCATE {tables} CASCADE")


@pytest.fixture
def staff(many: None) -> APIClient:
    return client_of(user("", "orders.view_order"))


@pytest.fixture
def customer(many: None) -> APIClient:
    return client_of(user("", id=SOMEBODY))


class Plans:
    """Every statement that runs within, and the plan that PostgreSQL has for it."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.costs: list[float] = []
        self.scans: list[tuple[str, str]] = []

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        with connection.connection.cursor() as cursor:  # of psycopg: not through here again
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
            (plan,) = cursor.fetchone()
        root = (plan if isinstance(plan, list) else msgspec.json.decode(plan))[0]["Plan"]
        self.costs.append(root["Total Cost"])
        self._walk(root)
        self.statements.append(sql)
        return execute(sql, params, many, context)

    def _walk(self, node: dict[str, Any]) -> None:
        if relation := node.get("Relation Name"):
            self.scans.append((node["Node Type"], relation))
        for inner in node.get("Plans", []):
            self._walk(inner)

    @property
    def full_scans(self) -> set[tuple[str, str]]:
        return {(kind, relation) for kind, relation in self.scans if kind in FULL_SCANS and relation in LARGE}


def page(client: APIClient, url: str, *, rows: int | None = None) -> dict[str, Any]:
    """One page; its statements scan no large table."""
    plans = Plans()
    with connection.execute_wrapper(plans):
        answer = client.get(url)
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    assert plans.full_scans == set(), plans.statements
    assert max(plans.costs) < DEAR, plans.statements
    assert ("orders_order" in {relation for _, relation in plans.scans}) or not found["results"]
    assert len(plans.statements) <= 3  # the orders, their lines, the state of their payments
    if rows is not None:
        assert len(found["results"]) == rows
    return found


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("", 50),
        ("ordering=createdAt", 50),
        ("limit=200", 200),
        ("status=pending", 50),
        ("status=returned", 0),
        ("createdAfter=2026-01-05T00:00:00Z", 50),
        ("createdBefore=2026-01-05T00:00:00Z", 50),
        ("createdAfter=2026-01-05T00:00:00Z&createdBefore=2026-01-05T00:00:10Z", 9),
        ("sku=SKU-123", 50),
        ("sku=RARE", 1),
        ("sku=NONE", 0),
        (f"customer={SOMEBODY}", 50),
        (f"customer={SOMEBODY}&status=cancelled", 0),
        ("sku=RARE&status=confirmed", 1),
    ],
)
def test_staff_find_orders_by_an_index(staff: APIClient, query: str, rows: int) -> None:
    page(staff, f"{ORDERS}?{query}", rows=rows)


@pytest.mark.parametrize(("query", "rows"), [("", 50), ("status=confirmed", 50), ("sku=SKU-007", 50), ("sku=RARE", 0)])
def test_customers_find_their_own_by_an_index(customer: APIClient, query: str, rows: int) -> None:
    page(customer, f"{ORDERS}?{query}", rows=rows)


def test_pages_far_in_cost_what_the_first_one_costs(staff: APIClient) -> None:
    url = f"{ORDERS}?limit=200"
    for _ in range(5):
        url = page(staff, url, rows=200)["next"]
    assert page(staff, url)["previous"]
