"""Who may do what: the table `who_may.csv` has one row for each address, method and act, and one column for each role.

The rows come from the URL patterns: an address without a row fails, and so does a row without an address. After a new
address, WRITE_TABLE=1 writes what is so today; read the difference, for it is the decision who may do it.

`login`: log in first. `no`: refused. `none`: as if it did not exist. `yes`: let in, whatever comes of the request then.
"""

from __future__ import annotations

import csv
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.db.models import Model
from django.template.response import TemplateResponse
from django.test import Client

from orderproject.accounts.groups import NAMES
from orderproject.admin_site.refusals import is_key
from tests.access.addresses import ADMIN, API, Address, addresses, bulk_actions
from tests.access.world import ROLES, World, forgotten, kept_logged_in, key_of
from tests.integration.test_api_walk import Route, routes

pytestmark = pytest.mark.django_db
TABLE = Path(__file__).with_name("who_may.csv")
Row = dict[str, str]
OPEN = {
    "GET api/v1/products/", "GET api/v1/products/<sku>/",
    "GET api/v1/event-types/<type>/<version>/schema.json", "GET api/v1/event-types/<type>/<version>/envelope.json",
    "GET api/v1/schema/", "GET api/v1/docs/",
    "GET", "GET favicon.ico", "GET livez", "GET readyz", "GET metrics", "GET admin/login/", "POST admin/login/",
    "GET admin/logout/", "POST admin/logout/",
}  # fmt: skip
"""What a stranger may ask. Log-ins are open too, but answer 401 to a wrong password, which counts as `login`."""


# --- what is so --------------------------------------------------------------------------------------------


class Asking:
    """Asks for every act as every role, and forgets what came of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.clients = {role: world.client(role) for role in ROLES}
        self.bodies = {(f"{route.method.upper()} {unkinded(route)}"): route.body() for route in routes()}

    def rows(self) -> Iterator[tuple[str, Row]]:
        for address in addresses():
            path = address.path(self.world.values(address))
            for method in address.methods:
                act = f"{method} {address.text}".rstrip()
                yield act, {role: self.outcome(client, act, method, path) for role, client in self.clients.items()}
            if address.model and address.text.count("/") == 3:  # a list
                for name in bulk_actions(address.model):
                    yield f"ACT {address.text} {name}", self.of_action(address, path, name)

    def outcome(self, client: Client, act: str, method: str, path: str) -> str:
        headers = {"Idempotency-Key": str(uuid4()), "Accept": "*/*"}
        with forgotten(), kept_logged_in(client):
            if path.startswith("/admin/"):
                answer = client.generic(method, path, "", "application/x-www-form-urlencoded")
            else:
                body = "" if method == "GET" else json.dumps(self.bodies.get(act))
                answer = client.generic(method, path, body, "application/json", headers=headers)
        return verdict(answer)

    def of_action(self, address: Address, path: str, name: str) -> Row:
        data = {"action": name, "_selected_action": key_of(address.model) or some_key(address.model), "index": 0}
        of_model = admin.site._registry[address.model]
        found = {}
        for role, client in self.clients.items():
            with forgotten(), kept_logged_in(client):
                answer = client.post(path, data)
                found[role] = verdict(answer)
                if found[role] == "yes" and name not in of_model.get_actions(answer.wsgi_request):
                    found[role] = "no"  # Django only shows the list again
        return found


def some_key(model: type[Model]) -> str:
    """A key that a row of this model could have."""
    return "1" if is_key(model, "1") else str(uuid4())


def unkinded(route: Route) -> str:
    return route.path.removeprefix("/").replace("{", "<").replace("}", ">")


def verdict(answer: Any) -> str:
    if answer.status_code == 401 or (answer.status_code == 302 and answer["Location"].startswith("/admin/login/")):
        return "login"
    return {403: "no", 404: "none"}.get(answer.status_code, "yes")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    """No page is rendered, as whether somebody may see it is known before; nothing is logged, or waited for."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    logging.disable(logging.CRITICAL)
    monkeypatch.setattr("notifications.webhooks.fan_out.KNOWN_FOR", 0.0)
    monkeypatch.setattr(TemplateResponse, "render", _blank, raising=False)
    yield
    logging.disable(logging.NOTSET)


def _blank(response: TemplateResponse) -> TemplateResponse:
    response.content = b""
    return response


# --- what shall be so --------------------------------------------------------------------------------------


def written() -> dict[str, Row]:
    with TABLE.open(newline="") as file:
        _, *lines = ([cell.strip() for cell in cells] for cells in csv.reader(file))
    return {act: dict(zip(ROLES, cells, strict=True)) for act, *cells in lines}


def line(act: str, row: Row, width: int = 0) -> str:
    return ", ".join([f"{act:{width}}", *(f"{row[role]:{len(role)}}" for role in ROLES)]).rstrip()


def write(found: dict[str, Row]) -> None:
    width = max(map(len, found))
    head = line("act", {role: role for role in ROLES}, width)
    TABLE.write_text("\n".join([head, *(line(act, row, width) for act, row in found.items())]) + "\n")


@pytest.mark.timeout(900)
def test_everybody_may_what_the_table_says_and_nothing_else() -> None:
    found = dict(Asking(World()).rows())
    if os.environ.get("WRITE_TABLE"):
        write(found)
    shall = written()
    missing = [line(act, found[act]) for act in found.keys() - shall.keys()]
    assert not missing, f"add these rows to {TABLE.name} if they are right:\n" + "\n".join(sorted(missing))
    assert not shall.keys() - found.keys(), f"no address has these rows of {TABLE.name}: delete them"
    wrong = [
        f"{act}: {role} gets {found[act][role]!r}, the table says {row[role]!r}"
        for act, row in shall.items()
        for role in ROLES
        if found[act][role] != row[role]
    ]
    assert not wrong, "\n".join(wrong)


# --- what no table may say ---------------------------------------------------------------------------------


def test_a_stranger_may_only_what_is_open() -> None:
    assert {act for act, row in written().items() if row["stranger"] not in {"login", "none"}} == OPEN


def test_no_customer_enters_the_admin() -> None:
    inside = {act: row for act, row in written().items() if ADMIN in act and act not in OPEN}
    assert len(inside) > 200
    for role in ("customer", "other customer"):
        assert {act for act, row in inside.items() if row[role] == "yes"} <= LEAVING


LEAVING = {"GET admin/logout/", "POST admin/logout/"}


def test_what_is_one_customers_does_not_exist_for_another() -> None:
    owned = [(act, row) for act, row in written().items() if API in act and row["customer"] == "yes" and "_id>" in act]
    assert len(owned) > 10
    assert [act for act, row in owned if row["other customer"] != "none"] == []


def test_auditors_may_change_nothing() -> None:
    changing = {act: row for act, row in written().items() if not act.startswith("GET ")}
    may = {act for act, row in changing.items() if row["auditors"] == "yes"}
    of_everybody = {act for act, row in changing.items() if row["other customer"] == "yes"}
    assert {act for act in may - of_everybody if API in act} == set()
    assert {act for act in may if act.endswith(("/delete/", "/add/")) or act.startswith("ACT ")} == set()


def test_superusers_are_refused_nothing_that_another_may() -> None:
    for act, row in written().items():
        if "yes" in {row[role] for role in NAMES}:
            assert row["superuser"] == "yes", act
