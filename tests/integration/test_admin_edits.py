"""What staff edit in the admin: the same rules as in the API, an audit entry each, and no edit lost to another."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from desk import audit
from desk.models import Audit
from inventory import staff_edits
from inventory.models import Product, Stock, Warehouse
from inventory.serializers import NewProduct
from notifications.models import Kind
from orderproject.accounts import api_keys
from orderproject.models import ApiKey, User
from tests import stories
from web.typed import convert

pytestmark = pytest.mark.django_db
BOWL = {
    "sku": "BOWL", "name": "Bowl", "description": "", "price": "3.50", "currency": "EUR", "active": "on",
    "low_stock": 0, "stock-TOTAL_FORMS": 0, "stock-INITIAL_FORMS": 0,
}  # fmt: skip


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


def add(client: Client, model: str, fields: dict[str, Any]) -> Any:
    return client.post(reverse(f"admin:{model}_add"), fields)


def page_of(model: str, key: Any) -> str:
    return reverse(f"admin:{model}_change", args=[key])


def opened(client: Client, url: str) -> dict[str, Any]:
    """What a browser would send if the person changed nothing on this page."""
    context = client.get(url).context
    forms = [context["adminform"].form, *(one.formset.management_form for one in context["inline_admin_formsets"])]
    sent: dict[str, Any] = {}
    for form in forms:
        for field in form:
            value = field.value()
            if isinstance(value, list):
                sent[field.html_name] = [getattr(one, "pk", one) for one in value]
            elif value is not None and value is not False:
                sent[field.html_name] = value
    return sent


def errors_of(response: Any) -> str:
    assert response.status_code == 200, "the form was accepted"
    return " ".join(error for errors in response.context["errors"] for error in errors)


# --- one rule ------------------------------------------------------------------------------------------------

CODES = ["A/B", "", " ", "-A", ".", "A B", "a\nb", "Ä", "A@B", "<b>", "A" * 65]


@pytest.mark.parametrize("code", CODES)
def test_models_and_api_share_the_rule_for_codes(code: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        convert({"sku": code, "name": "Bowl", "price": {"amount": "1", "currency": "EUR"}}, NewProduct)
    with pytest.raises(ValidationError, match="sku"):
        Product(sku=code, name="Bowl", price=1).full_clean()
    with pytest.raises(ValidationError, match="code"):
        Warehouse(code=code, name="Berlin").full_clean()


def test_the_admin_refuses_the_codes_that_the_api_refuses(boss: Client) -> None:
    told = "Begin with a letter or a digit"
    assert told in errors_of(add(boss, "inventory_product", BOWL | {"sku": "A/B"}))
    assert told in errors_of(add(boss, "inventory_warehouse", {"code": "A@B", "name": "Berlin", "priority": 1}))
    assert not Product.objects.exists()
    assert not Warehouse.objects.exists()


def test_codes_of_the_usual_kinds_are_taken(boss: Client) -> None:
    for code in ("BER", "ber-2", "7", "EU.DE_1"):
        assert add(boss, "inventory_warehouse", {"code": code, "name": code, "priority": 1}).status_code == 302
        assert add(boss, "inventory_product", BOWL | {"sku": code}).status_code == 302


def test_the_admin_refuses_a_description_that_the_api_refuses(boss: Client) -> None:
    assert "10000" in errors_of(add(boss, "inventory_product", BOWL | {"description": "x" * 10_001}))


def test_stock_is_corrected_with_a_reason_as_in_the_api(boss: Client) -> None:
    stock = stories.shop(on_hand=10)
    url = page_of("inventory_stock", stock.id)
    assert "required" in errors_of(boss.post(url, {"on_hand": 7, "seen": 10}))
    assert boss.post(url, {"on_hand": 7, "seen": 10, "reason": "broken"}).status_code == 302
    line = Audit.objects.get()
    assert (line.action, line.target_kind, line.target_ids) == ("adjust", "stock", ["MUG-RED@BER"])
    assert (line.reason, line.details) == ("broken", {"delta": -3, "before": 10, "after": 7})


def test_goods_do_not_leave_the_stock_by_a_deletion(boss: Client) -> None:
    stock = stories.shop(on_hand=10)
    assert boss.post(reverse("admin:inventory_stock_delete", args=[stock.id]), {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [stock.id], "post": "yes"}
    boss.post(reverse("admin:inventory_stock_changelist"), chosen)
    assert Stock.objects.filter(id=stock.id).exists()


# --- the audit -----------------------------------------------------------------------------------------------


def lines() -> list[tuple[Any, ...]]:
    found = Audit.objects.order_by("id").values_list("action", "target_kind", "target_ids", "details")
    return [(action, kind, *ids, details) for action, kind, ids, details in found]


def test_products_are_audited_as_by_the_api(boss: Client) -> None:
    """Both ways write the same entries, but for the actor and the fields that a client left out."""
    add(boss, "inventory_product", BOWL)
    url = page_of("inventory_product", "BOWL")
    boss.post(url, opened(boss, url) | {"price": "4"})
    by_admin = lines()
    Product.objects.all().delete()
    fields = {name: value for name, value in BOWL.items() if "stock-" not in name}
    fields |= {"active": True, "price": Decimal("3.50")}
    staff_edits.create_product(fields, actor="api")
    staff_edits.change_product("BOWL", {"price": Decimal("4.00")}, actor="api", check=lambda product: None)
    assert by_admin == lines()[len(by_admin) :]
    assert by_admin[1] == ("change", "product", "BOWL", {"before": {"price": "3.50"}, "after": {"price": "4.00"}})


def test_an_edit_that_changes_nothing_leaves_no_entry(boss: Client) -> None:
    stories.shop()
    url = page_of("inventory_product", "MUG-RED")
    assert boss.post(url, opened(boss, url)).status_code == 302
    assert lines() == []


def test_warehouses_are_audited(boss: Client) -> None:
    add(boss, "inventory_warehouse", {"code": "HAM", "name": "Hamburg", "priority": 2})
    url = page_of("inventory_warehouse", "HAM")
    boss.post(url, opened(boss, url) | {"priority": 1})
    boss.post(reverse("admin:inventory_warehouse_delete", args=["HAM"]), {"post": "yes"})
    as_made = {"code": "HAM", "name": "Hamburg", "priority": 2}
    assert lines() == [
        ("create", "warehouse", "HAM", as_made),
        ("change", "warehouse", "HAM", {"before": {"priority": 2}, "after": {"priority": 1}}),
        ("delete", "warehouse", "HAM", as_made | {"priority": 1}),
    ]
    assert set(Audit.objects.values_list("actor", flat=True)) == {lines_actor(boss)}


def lines_actor(client: Client) -> str:
    return f"user:{client.session['_auth_user_id']}"


def test_several_deleted_at_once_are_audited_one_by_one(boss: Client) -> None:
    for sku in ("ONE", "TWO"):
        Product.objects.create(sku=sku, name=sku, price=1)
    chosen = {"action": "delete_selected", "_selected_action": ["ONE", "TWO"], "post": "yes"}
    boss.post(reverse("admin:inventory_product_changelist"), chosen)
    assert [line[:3] for line in lines()] == [("delete", "product", "ONE"), ("delete", "product", "TWO")]
    assert not Product.objects.exists()


def test_groups_are_audited_with_their_permissions(boss: Client) -> None:
    one, two = Permission.objects.filter(content_type__app_label="inventory").order_by("id")[:2]
    add(boss, "auth_group", {"name": "packers", "permissions": [one.pk]})
    group = Group.objects.get(name="packers")
    url = page_of("auth_group", group.pk)
    boss.post(url, opened(boss, url) | {"permissions": [one.pk, two.pk]})
    assert lines() == [
        ("create", "group", str(group.pk), {"name": "packers", "permissions": [str(one)]}),
        (
            "change", "group", str(group.pk),
            {"before": {"permissions": [str(one)]}, "after": {"permissions": sorted([str(one), str(two)])}},
        ),
    ]  # fmt: skip


PASSWORD = "correct horse 9"
FORM_OF_PASSWORD = {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true", "set-password": "1"}


def test_users_are_audited_without_passwords_and_personal_data(boss: Client) -> None:
    add(boss, "orderproject_user", {"username": "marker-name", **FORM_OF_PASSWORD})
    user = User.objects.get(username="marker-name")
    url = page_of("orderproject_user", user.pk)
    group = Group.objects.get(name="warehouse")
    changed = opened(boss, url) | {"email": "marker@example.com", "is_staff": "on", "groups": [group.pk]}
    boss.post(url, changed)
    boss.post(reverse("admin:auth_user_password_change", args=[user.pk]), FORM_OF_PASSWORD)
    (created, first, password) = lines()
    key = str(user.pk)
    assert created == ("create", "user", key, {})
    before, after = {"is_staff": False, "groups": []}, {"is_staff": True, "groups": ["warehouse"]}
    assert first == ("change", "user", key, {"before": before, "after": after, "withheld": ["email"]})
    assert password == ("change", "user", key, {"withheld": ["password"]})
    everything = json.dumps(lines())
    user.refresh_from_db()
    for secret in (PASSWORD, user.password, "marker"):
        assert secret not in everything


def test_a_wrong_password_form_is_no_change(boss: Client) -> None:
    user = User.objects.create_user("eve")
    boss.post(reverse("admin:auth_user_password_change", args=[user.pk]), FORM_OF_PASSWORD | {"password2": "x"})
    assert lines() == []


def test_api_keys_are_audited_without_their_secret(boss: Client) -> None:
    owner = User.objects.create_user("shop")
    shown = add(boss, "orderproject_apikey", {"name": "till", "user": owner.pk}).context["text"]
    key = ApiKey.objects.get()
    url = page_of("orderproject_apikey", key.pk)
    boss.post(url, opened(boss, url) | {"name": "till 2"})
    assert [line[:3] for line in lines()] == [("issue", "api key", key.prefix), ("change", "api key", key.prefix)]
    assert lines()[1][3] == {"before": {"name": "till"}, "after": {"name": "till 2"}}
    everything = json.dumps(lines())
    assert shown.partition(".")[2] not in everything
    assert bytes(key.digest).hex() not in everything


def test_a_refused_form_leaves_no_entry(boss: Client) -> None:
    add(boss, "inventory_product", BOWL | {"price": "-1"})
    assert lines() == []


# --- two people at once ----------------------------------------------------------------------------------------


def test_of_two_people_who_edit_a_product_the_second_is_told(boss: Client) -> None:
    stories.shop()
    url = page_of("inventory_product", "MUG-RED")
    one, two = opened(boss, url), opened(boss, url)
    assert boss.post(url, one | {"price": "12.00"}).status_code == 302
    told = errors_of(boss.post(url, two | {"name": "Crimson mug"}))
    assert "Another person has changed this product" in told
    assert "price (now 12.00)" in told
    product = Product.objects.get()
    assert (product.price, product.name) == (Decimal("12.00"), "Red mug")
    assert boss.post(url, opened(boss, url) | {"name": "Crimson mug"}).status_code == 302


def test_an_edit_by_the_api_counts_as_another_person(boss: Client) -> None:
    stories.shop()
    url = page_of("inventory_product", "MUG-RED")
    mine = opened(boss, url)
    staff_edits.change_product("MUG-RED", {"name": "Blue mug"}, actor="api", check=lambda product: None)
    assert "name (now Blue mug)" in errors_of(boss.post(url, mine | {"low_stock": 3}))


def test_sales_and_corrections_of_stock_are_no_edit_of_the_product(boss: Client) -> None:
    stories.shop(on_hand=10)
    url = page_of("inventory_product", "MUG-RED")
    mine = opened(boss, url)
    staff_edits.adjust("MUG-RED", "BER", -4, actor="api", reason="broken")
    Stock.objects.update(held=3)
    assert boss.post(url, mine | {"name": "Crimson mug"}).status_code == 302
    assert Product.objects.get().name == "Crimson mug"


def test_a_log_in_is_no_edit_of_the_user(boss: Client) -> None:
    user = User.objects.create_user("eve", password="x")
    url = page_of("orderproject_user", user.pk)
    mine = opened(boss, url)
    Client().force_login(user)
    assert boss.post(url, mine | {"first_name": "Eve"}).status_code == 302


def test_the_second_is_told_on_every_page_that_edits(boss: Client) -> None:
    stories.shop()
    group, user = Group.objects.get(name="warehouse"), User.objects.create_user("eve")
    pages: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
        "inventory_warehouse": ("BER", {"name": "First"}, {"name": "Second"}),
        "auth_group": (group.pk, {"permissions": []}, {"name": "Second"}),
        "orderproject_user": (user.pk, {"is_staff": "on"}, {"email": "second@example.com"}),
        "orderproject_apikey": (an_api_key().pk, {"name": "First"}, {"name": "Second"}),
    }
    for model, (key, one, two) in pages.items():
        mine = opened(boss, page_of(model, key))
        assert boss.post(page_of(model, key), mine | one).status_code == 302
        assert "Another person has changed" in errors_of(boss.post(page_of(model, key), mine | two)), model


def an_api_key() -> ApiKey:
    key = ApiKey(name="till", user=User.objects.create_user("shop"))
    api_keys.issue(key, actor="boss")
    return key


def test_a_forged_state_is_a_stale_one(boss: Client) -> None:
    stories.shop()
    url = page_of("inventory_product", "MUG-RED")
    mine = opened(boss, url)
    for seen in ("", "{", "[]", "null", "[" * 5000, "{}"):
        assert "Another person has changed" in errors_of(boss.post(url, mine | {"made_from": seen}))


def test_the_page_holds_no_hash_of_the_password(boss: Client) -> None:
    user = User.objects.create_user("eve", password=PASSWORD)
    made_from = json.loads(opened(boss, page_of("orderproject_user", user.pk))["made_from"])
    assert "password" not in made_from
    assert {"username", "email", "groups", "is_staff"} <= set(made_from)


def test_who_may_only_look_gets_a_page_without_the_hidden_field() -> None:
    stories.shop()
    auditor, client = User.objects.create_user("ada", is_staff=True), Client()
    auditor.groups.add(Group.objects.get(name="auditors"))
    client.force_login(auditor)
    html = client.get(page_of("inventory_product", "MUG-RED")).content.decode()
    assert "made_from" not in html


# --- history ---------------------------------------------------------------------------------------------------


def history_of(model: str, key: Any) -> str:
    return reverse(f"admin:{model}_history", args=[key])


def member_of(group: str) -> Client:
    user, client = User.objects.create_user(group.replace(" ", "-"), is_staff=True), Client()
    user.groups.add(Group.objects.get(name=group))
    client.force_login(user)
    return client


@pytest.mark.parametrize("group", ["warehouse", "auditors"])
def test_history_opens_for_everyone_who_sees_its_button(group: str) -> None:
    order = stories.confirmed()
    stock, dead = stories.shop(), stories.dead_delivery(stories.placed())
    letter, key = stories.told(order, Kind.CANCELLATION), an_api_key()
    pages = {
        "orders_order": order.id, "inventory_product": "MUG-RED", "inventory_warehouse": "BER",
        "inventory_stock": stock.id, "inventory_reservation": order.id, "payments_payment": order.id,
        "notifications_notification": letter.id, "events_storedevent": dead.event_id, "events_delivery": dead.id,
        "orderproject_apikey": key.pk, "auth_group": Group.objects.get(name="warehouse").pk,
    }  # fmt: skip
    client, buttons = member_of(group), 0
    for model, row in pages.items():
        page = client.get(page_of(model, row))
        if page.status_code != 200:
            assert client.get(history_of(model, row)).status_code in {302, 403, 404}
        elif f'href="{history_of(model, row)}' in page.content.decode():
            buttons += 1
            assert client.get(history_of(model, row)).status_code == 200, model
        else:
            assert client.get(history_of(model, row)).status_code == 404, model
    assert buttons >= 3


def test_history_tells_what_api_and_admin_changed(boss: Client) -> None:
    stories.shop()
    url = page_of("inventory_product", "MUG-RED")
    boss.post(url, opened(boss, url) | {"price": "12.00"})
    staff_edits.change_product("MUG-RED", {"active": False}, actor="till", check=lambda product: None)
    html = boss.get(history_of("inventory_product", "MUG-RED")).content.decode()
    (shown,) = re.findall(r"<section.*?data-history>.*?</section>", html, re.S)
    told = re.sub(r"\s+", " ", re.sub("<[^>]*>", "", shown))
    assert "boss change" in told
    assert "user:" not in told
    assert "price: 9.90 → 12.00" in told
    assert "active: yes → no" in told
    assert "till" in told


def test_history_is_of_this_row_alone(boss: Client) -> None:
    """The audit holds ids of all kinds: those of a delivery and of a dead message can be equal."""
    dead = stories.dead_delivery(stories.placed())
    for kind in ("delivery", "dead message"):
        audit.record("ada", "retry", kind, [dead.id], reason=f"this {kind}")
    html = boss.get(history_of("events_delivery", dead.id)).content.decode()
    assert "this delivery" in html
    assert "this dead message" not in html


def test_history_finds_what_the_audit_knows_by_another_id(boss: Client) -> None:
    stock, key = stories.shop(), an_api_key()
    staff_edits.adjust("MUG-RED", "BER", -4, actor="api", reason="fell from a shelf")
    assert "fell from a shelf" in boss.get(history_of("inventory_stock", stock.id)).content.decode()
    assert "issue" in boss.get(history_of("orderproject_apikey", key.pk)).content.decode()


def test_history_of_nothing_leads_back(boss: Client) -> None:
    for model, key in (("orders_order", uuid4()), ("inventory_product", "NONE"), ("events_delivery", 1)):
        assert boss.get(history_of(model, key)).status_code == 302
    for model, key in (("orders_order", "nonsense"), ("events_delivery", "x")):
        assert boss.get(history_of(model, key)).status_code == 404
