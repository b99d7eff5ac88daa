"""The admin's lists are filtered only by lookups that take any value, and a log-in leads only to our own pages."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db import transaction
from django.db.models import Field, ManyToManyField
from django.test import Client, RequestFactory
from django.urls import resolve, reverse

from orderproject.admin_site.refusals import LOOKUPS, check
from orderproject.models import User

pytestmark = pytest.mark.django_db
VALUES = ("99999", "-1", "(", "x", "1,x", "{", "9" * 30, "2026-02-30", "")


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root", password="a long password")


@pytest.fixture
def client(root: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(root)
    return client


@pytest.mark.parametrize(
    "query",
    [
        "created_at__year=99999", "created_at__year=0", "created_at__iso_year=99999", "created_at__date__year=-1",
        "created_at__year__gt=99999", "number__regex=(", "number__iregex=[", "number__range=1", "number__range=1,2,3",
        "total__contained_by=x", "lines__sku__regex=(", "id__exact=x", "total__gt=x",
        "version__in=1,99999999999999999999",
    ],
)  # fmt: skip
def test_a_lookup_that_no_page_makes_is_refused(client: Client, query: str) -> None:
    assert client.get(f"/admin/orders/order/?{query}").status_code == 400


def one_field_of_each_kind() -> Iterator[tuple[Any, Any]]:
    seen: set[type[Field[Any, Any]]] = set()
    for model, of_model in admin.site._registry.items():
        if not model._meta.managed:
            continue
        for field in (*model._meta.concrete_fields, *model._meta.many_to_many):
            if type(field) not in seen:
                seen.add(type(field))
                yield of_model, field


def test_a_lookup_that_is_allowed_takes_any_value(root: User) -> None:
    fields = list(one_field_of_each_kind())
    assert len(fields) > 12
    assert any(isinstance(field, ManyToManyField) for _, field in fields)
    failed = [
        f"{of_model}: {field.name}__{lookup}={value!r}: {error!r}"
        for of_model, field in fields
        for lookup in sorted(LOOKUPS)
        for value in VALUES
        if (error := failure(root, of_model, f"{field.name}__{lookup}", value))
    ]
    assert not failed, "\n".join(failed)


def failure(root: User, of_model: Any, name: str, value: str) -> Exception | None:
    """What the list of this model does not answer, if it is filtered so."""
    path = reverse(f"admin:{of_model.opts.app_label}_{of_model.opts.model_name}_changelist")
    request = RequestFactory().get(path, {name: value})
    request.resolver_match, request.user = resolve(path), root
    view: Any = SimpleNamespace(model_admin=of_model)
    try:
        check(request, view, {})
        with transaction.atomic():
            list(of_model.get_changelist_instance(request).result_list[:1])
    except (BadRequest, IncorrectLookupParameters, SuspiciousOperation):
        return None
    except Exception as error:  # noqa: BLE001  this is what is looked for
        return error
    return None


@pytest.mark.parametrize("action", ["change", "delete", "history"])
def test_an_empty_field_to_look_by_is_refused(client: Client, root: User, action: str) -> None:
    assert client.get(f"/admin/orderproject/user/{root.pk}/{action}/?_to_field=").status_code == 400
    assert client.post(f"/admin/orderproject/user/{root.pk}/{action}/", {"_to_field": ""}).status_code == 400


@pytest.mark.parametrize(
    "elsewhere", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "http:evil"]
)
def test_a_log_in_leads_to_the_admin_if_it_was_to_lead_elsewhere(root: User, elsewhere: str) -> None:
    form = {"username": "root", "password": "a long password", "next": elsewhere}
    answer = Client().post("/admin/login/", form, follow=True)
    assert answer.redirect_chain == [("/admin/", 302)]
    assert answer.status_code == 200
