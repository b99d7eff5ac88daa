"""What each page lets a browser do, and what cookies it may read."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from rest_framework.test import APIClient
from unfold.settings import CONFIG_DEFAULTS

from orderproject.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("admin", "admin@example.com", "admin"))
    return client


def policy(response: object) -> dict[str, str]:
    header = response.headers["Content-Security-Policy"]  # type: ignore[attr-defined]
    return dict(part.strip().partition(" ")[::2] for part in header.split(";"))


@pytest.mark.parametrize("path", ["/api/v1/products/", "/api/v1/docs/", "/api/v1/nothing/", "/livez", "/nothing"])
def test_a_page_runs_only_scripts_of_its_own_host(path: str) -> None:
    response = APIClient().get(path)
    rules = policy(response)
    assert rules["default-src"] == rules["base-uri"] == rules["frame-ancestors"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == "'self'"
    assert "camera=()" in response.headers["Permissions-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/admin/login/", "/admin/", "/admin/orders/order/", "/admin/nothing/"])
def test_the_admin_has_two_exceptions(staff: Client, path: str) -> None:
    rules = policy(staff.get(path))
    assert rules["script-src"] == "'self' 'unsafe-eval'"
    assert rules["style-src"] == "'self'"
    assert rules["style-src-attr"] == "'unsafe-inline'"


@pytest.mark.parametrize("path", ["/admin/login/", "/admin/", "/admin/orders/order/", "/api/v1/docs/"])
def test_nothing_is_inline(staff: Client, path: str) -> None:
    page = staff.get(path).content.decode()
    assert "<style" not in page
    assert page.count("<script") == page.count("<script src=")
    assert " onclick=" not in page


def test_the_colours_are_those_that_unfold_asks_for() -> None:
    found = finders.find("orderproject/colors.css")
    assert isinstance(found, str)
    written = Path(found).read_text()
    for name, weights in CONFIG_DEFAULTS["COLORS"].items():
        for weight in weights:
            assert f"--color-{name}-{weight}:" in written


def test_no_script_reads_a_cookie() -> None:
    client = Client()
    User.objects.create_superuser("admin", "admin@example.com", "admin")
    client.get("/admin/login/")
    client.post("/admin/login/", {"username": "admin", "password": "admin", "next": "/admin/"})
    assert set(client.cookies) == {"csrftoken", "sessionid"}
    for cookie in client.cookies.values():
        assert cookie["httponly"]
        assert cookie["samesite"] in {"Lax", "Strict"}
