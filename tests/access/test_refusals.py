"""What cannot be meant is refused before a query is built from it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from desk.models import Audit
from orderproject.admin_site.refusals import is_key
from orderproject.models import ApiKey, User
from orders.models import Order
from payments.models import Payment
from tests.access.addresses import addresses

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss() -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("boss"), backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_no_address_of_the_admin_has_a_nul(boss: Client) -> None:
    paths = [address.path({"object_id": "%00"}) for address in addresses() if address.parameters == ["object_id"]]
    assert len(paths) > 90
    assert {path: status for path in paths if (status := boss.get(path).status_code) != 404} == {}


@pytest.mark.parametrize("key", ["not-an-id", "9" * 30])
def test_an_action_on_what_no_row_can_be_is_refused(boss: Client, key: str) -> None:
    selected = {"action": "revoke_selected", "_selected_action": key}
    assert boss.post("/admin/orderproject/apikey/", selected).status_code == 400


@pytest.mark.parametrize("sent", [{"q": "\0"}, {"\0": "x"}])
def test_a_nul_in_a_parameter_or_a_form_is_refused(boss: Client, sent: dict[str, str]) -> None:
    assert boss.get("/admin/orders/order/", sent).status_code == 400
    assert boss.post("/admin/orders/order/", sent).status_code == 400


def test_a_nul_in_the_cookie_of_the_session_is_refused() -> None:
    client = Client(raise_request_exception=False)
    client.cookies["sessionid"] = "\0" * 32
    assert client.get("/admin/").status_code == 400


@pytest.mark.parametrize(
    ("model", "key", "fits"),
    [
        (Order, "01a227e6-d02f-71cf-a958-a7cc6c5bb8dd", True),
        (Order, "01A227E6-D02F-71CF-A958-A7CC6C5BB8DD", True),
        (Order, "1", False),
        (Payment, "x", False),
        (Audit, "1", True),
        (Audit, "1.5", False),
        (ApiKey, str(2**63), False),
        (ApiKey, str(2**63 - 1), True),
    ],
)
def test_what_a_key_can_be(model: Any, key: str, fits: bool) -> None:
    assert is_key(model, key) is fits
