"""People get pages for errors, and programs problem documents."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from inventory.models import Product
from orderproject.api.problems import server_error
from orderproject.models import User
from tests.integration.test_admin import page_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def helper() -> Client:
    """Staff who may only see products."""
    user = User.objects.create_user("helper", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_product"))
    client = Client()
    client.force_login(user)
    return client


def test_the_front_page_leads_to_the_admin_and_the_api(client: Client) -> None:
    page = client.get("/")
    assert page.status_code == 200
    for name in ("admin:index", "docs", "schema"):
        assert f'href="{reverse(name)}"' in page.content.decode()
    assert client.post("/").status_code == 405


def test_the_icon_is_there(client: Client) -> None:
    answer = client.get("/favicon.ico")
    assert answer.status_code == 302
    assert client.get(answer.url).headers["Content-Type"] == "image/svg+xml"  # type: ignore[attr-defined]


@pytest.mark.parametrize(("path", "way_back"), [("/nowhere/", 'href="/"'), ("/admin/nowhere/", 'href="/admin/"')])
def test_a_missing_page_leads_back(helper: Client, path: str, way_back: str) -> None:
    page = helper.get(path)
    html = page.content.decode()
    assert page.status_code == 404
    assert "There is no such page" in html
    assert way_back in html
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "<style" not in html
    assert "style=" not in html


def test_programs_still_get_a_problem_document(client: Client) -> None:
    assert client.get("/api/v1/nowhere/").headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("name", "permission"),
    [
        ("orders_order_changelist", "orders.view_order"),
        ("inventory_product_add", "inventory.add_product"),
        ("orderproject_user_changelist", "orderproject.view_user"),
    ],
)
def test_who_may_not_see_a_page_is_told_which_permission_is_missing(helper: Client, name: str, permission: str) -> None:
    page = helper.get(reverse(f"admin:{name}"))
    assert page.status_code == 403
    assert f"needs the permission {permission}," in page.content.decode()


def test_who_may_see_a_row_but_not_change_it_is_told_so(helper: Client) -> None:
    product = Product.objects.create(sku="MUG-RED", name="Red mug", price=Decimal("9.90"))
    page = helper.post(page_of("inventory_product", product.pk), {"name": "Blue mug"})
    assert page.status_code == 403
    assert "needs the permission inventory.change_product," in page.content.decode()


def test_an_old_form_says_what_to_do(client: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    page = strict.post(reverse("admin:login"), {"username": "a", "password": "b"})
    assert page.status_code == 403
    assert "Go back, reload the page and send the form again" in page.content.decode()


def test_an_internal_error_shows_the_id_to_report(rf: Any, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("orderproject.pages.views.render", fail)
    client.raise_request_exception = False
    page = client.get("/", headers={"X-Request-ID": "support-17"})
    assert page.status_code == 500
    assert "<code>support-17</code>" in page.content.decode()


def test_the_page_of_an_internal_error_needs_no_database(rf: Any, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert b"Something went wrong here" in server_error(rf.get("/admin/orders/order/")).content


def test_too_many_log_ins_get_a_page_that_says_how_long(client: Client) -> None:
    User.objects.create_user("ada", password="right")
    for _ in range(6):
        page = client.post(reverse("admin:login"), {"username": "ada", "password": "wrong"})
    assert page.status_code == 429
    assert page.headers["Retry-After"] == "900"
    assert "Try again in 15 minutes" in page.content.decode()
    assert "<h1>Too many requests</h1>" in page.content.decode()
