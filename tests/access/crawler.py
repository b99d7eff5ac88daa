"""Asks every address for what no client of good will asks for, and tells which requests were an internal error.

Cases are made from the URL patterns, the filters of lists, the fields of forms and the OpenAPI document, by a seeded
random choice. Each case is forgotten after it was answered, so that the next one meets the same shop.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

from django.contrib import admin

from orderproject.api.paths import is_live
from tests.access.addresses import ADMIN, Address, addresses, bulk_actions
from tests.access.world import World, forgotten, kept_logged_in, key_of
from tests.integration.test_api_walk import described, routes

KEYS = (
    "\0", "1\0", "\0" * 36, "not-an-id", "-1", "0", "1.5", "9" * 30, str(2**63), str(-(2**63) - 1), "٣", "_00", "_",
    "a" * 300, "ä/ö", "..", "%", "'; DROP TABLE x; --", "{}", "[]", "null", "\ud7ff", "💣", " ", "\r\n", "🄰" * 200,
    "00000000-0000-0000-0000-000000000000", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "change", "add",
)  # fmt: skip
TEXTS = (
    *KEYS, "", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0000-00-00", "NaN",
    "Infinity", "-0", "1e400", "1e-400", "True", "None", "a" * 5000, "a@b", '"\x01"@example.com', "order:\0",
    "<script>", "${7*7}", "99999", "(", "1,x", "\u202e", "\x7f", "2026-02-30", "24:61:61", "EUR", "POST", "*",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    *TEXTS, None, True, False, 0, -1, 2**31, 2**63, 2**70, 1.5, 1e308, [], {}, [[]], [None], {"": ""}, {"a": {}},
    ["\0"], {"\0": 1}, [{}] * 600,
)  # fmt: skip
PARAMETERS = (
    "q", "p", "o", "e", "all", "_popup", "_to_field", "_changelist_filters", "_facets", "id", "id__exact", "pk",
    "pk__in", "id__in", "term", "app_label", "model_name", "field_name", "page", "next", "cursor", "limit", "ordering",
    "format", "atVersion", "since", "group", "s", "extended",
)  # fmt: skip
LOOKUPS = (
    "", "__exact", "__in", "__isnull", "__gte", "__year", "__iso_year", "__date__year", "__regex", "__range",
    "__contains", "__contained_by", "__icontains", "__istartswith", "__isempty", "__id__exact", "__x__y",
)  # fmt: skip
BODIES = (b"", b"{", b"[]", b"null", b"\xff\xfe", b'"\\ud800"', b"[" * 5000, b'{"a":' * 2000, b"1e999", b"\0", b"a=\0")
HEADERS = ("If-Match", "If-None-Match", "Idempotency-Key", "Last-Event-ID", "X-Request-ID", "traceparent", "Accept",
           "Accept-Language", "X-Forwarded-For", "Referer", "User-Agent", "Range", "If-Modified-Since")  # fmt: skip
COOKIES = ("csrftoken", "messages", "sessionid")
"""Of a stranger also a session: of the others it would only log them out."""
FORM = "application/x-www-form-urlencoded"
_FIELD = re.compile(r'<(?:input|select|textarea|button)\b[^>]*\bname="([^"]+)"')


@dataclass(frozen=True)
class Case:
    method: str
    url: str
    body: bytes
    content_type: str
    headers: dict[str, str]
    cookies: dict[str, str]

    def __str__(self) -> str:
        return f"{self.method} {self.url[:300]} {self.body[:300]!r} {self.headers} {self.cookies}"


class Crawler:
    """One caller of one role. The same seed makes the same cases in the same world."""

    def __init__(self, world: World, role: str, seed: int = 0) -> None:
        self.world, self.role = world, role
        self.client = world.client(role)
        self.cookies = COOKIES if role == "stranger" else COOKIES[:2]
        self.random = random.Random(f"{role} {seed}")
        self.samples = {f"{route.method.upper()} {route.path}": route for route in routes()}
        self.fields: dict[Address, list[str]] = {}
        self.known: dict[Address, dict[str, str]] = {}

    def faults(self, cases: int) -> list[str]:
        """What each case that was answered with 5xx, or not at all, asked for, and why."""
        return [f"{self.role}: {case}\n    {why}" for case in self.cases(cases) if (why := self.why_it_failed(case))]

    def cases(self, number: int) -> Iterator[Case]:
        """Half with a hostile key in an address or a selection, as far as there are so many; the rest at random."""
        keys = self.hostile_keys()
        self.random.shuffle(keys)
        for make in keys[: number // 2]:
            yield make()
        for _ in range(number - min(len(keys), number // 2)):
            yield self._random()

    def why_it_failed(self, case: Case) -> str:
        with forgotten(), kept_logged_in(self.client):
            for name, value in case.cookies.items():
                self.client.cookies[name] = value
            try:
                answer = self.client.generic(case.method, case.url, case.body, case.content_type, headers=case.headers)
            except Exception as error:  # noqa: BLE001  this is what is looked for
                return f"{type(error).__name__}: {str(error)[:300]}"
        wrong = answer.status_code >= 500 and not (answer.status_code == 503 and is_live(answer.wsgi_request.path))
        return f"{answer.status_code}: {answer.content[:300]!r}" if wrong else ""

    # --- making cases --------------------------------------------------------------------------------------

    def hostile_keys(self) -> list[Callable[[], Case]]:
        """Every key in every parameter of every address, and in the selection of every list."""
        found: list[Callable[[], Case]] = []
        for address in addresses():
            for key in KEYS:
                asked = product(address.parameters, address.methods)
                found += [partial(self._with_key, address, name, key, method) for name, method in asked]
                actions = bulk_actions(address.model) if is_list(address) else []
                found += [partial(self._with_selection, address, action, key) for action in actions]
        return found

    def _with_key(self, address: Address, name: str, key: str, method: str) -> Case:
        values = {**self._values(address), name: quote(key, safe="", errors="surrogatepass")}
        return self._case(address, method, address.path(values))

    def _with_selection(self, address: Address, action: str, key: str) -> Case:
        form = urlencode({"action": action, "_selected_action": key, "confirmed": "1", "reason": "x"})
        return Case("POST", address.path({}), form.encode(), FORM, {}, {})

    def _values(self, address: Address) -> dict[str, str]:
        if address not in self.known:
            self.known[address] = self.world.values(address)
        return self.known[address]

    def _random(self) -> Case:
        address = self.random.choice(addresses())
        values = dict(self._values(address))
        if values and self._sometimes(4):
            values[self.random.choice(list(values))] = quote(self.random.choice(KEYS), safe="", errors="surrogatepass")
        method = self.random.choice([*address.methods, *address.methods, "HEAD", "OPTIONS", "DELETE", "PATCH"])
        return self._case(address, method, address.path(values))

    def _case(self, address: Address, method: str, path: str) -> Case:
        url = path if self._sometimes(2) else f"{path}?{self._query(address)}"
        headers = {name: self._header() for name in HEADERS if self._sometimes(12)}
        cookies = {name: self._cookie() for name in self.cookies if self._sometimes(20)}
        if method in {"GET", "HEAD", "OPTIONS"}:
            return Case(method, url, b"", "", headers, cookies)
        if self._sometimes(8):
            kind = self.random.choice(("application/json", FORM, "text/plain", "", "multipart/form-data; boundary=x"))
            return Case(method, url, self.random.choice(BODIES), kind, headers, cookies)
        if address.text.startswith(ADMIN):
            return Case(method, url, self._form(address), FORM, headers, cookies)
        return Case(method, url, self._json(address, method), "application/json", {**self._key(), **headers}, cookies)

    def _query(self, address: Address) -> str:
        known = [*PARAMETERS, *(f"{name}{self.random.choice(LOOKUPS)}" for name in _filters(address))]
        chosen = {self.random.choice(known): self.random.choice(TEXTS) for _ in range(self.random.randint(1, 3))}
        return urlencode(chosen, errors="surrogatepass")

    def _form(self, address: Address) -> bytes:
        """The fields of the page as they are named there, each with its own value, none, or a hostile one."""
        if address not in self.fields:
            self.fields[address] = self._names_on(address.path(self._values(address)))
        fields = {name: self._text() for name in self.fields[address] if self._sometimes(2)}
        if is_list(address):
            fields["action"] = self.random.choice([*bulk_actions(address.model), self._text()])
            fields["_selected_action"] = self.random.choice([key_of(address.model) or "1", self._text()])
        if self._sometimes(2):
            fields["confirmed"] = "1"
        return urlencode(fields, errors="surrogatepass").encode()

    def _names_on(self, path: str) -> list[str]:
        try:
            with forgotten():
                page = self.client.get(path).content.decode(errors="replace")
        except Exception:  # noqa: BLE001  found by a case of its own
            return []
        return [*_FIELD.findall(page), "reason", "_save", "index", "select_across", "post"]

    def _json(self, address: Address, method: str) -> bytes:
        """A body that fits, with one value somewhere in it replaced."""
        route = self.samples.get(f"{method} /{address.text.replace('<', '{').replace('>', '}')}")
        body = route.body() if route else {}
        if isinstance(body, dict) and not self._sometimes(10):
            schema = _properties(route.operation) if route else []
            body = {**body, **{name: self._value() for name in schema if self._sometimes(5)}}
            _replace(body, self._value, self.random)
        else:
            body = self._value()
        return json.dumps(body).encode()

    def _key(self) -> dict[str, str]:
        return {"Idempotency-Key": str(uuid4())}

    def _text(self) -> str:
        return str(self.random.choice(TEXTS))

    def _value(self) -> Any:
        return deepcopy(self.random.choice(VALUES))  # because `_replace` changes what is in it

    def _header(self) -> str:
        """Without what no server lets into a header."""
        return re.sub(r"[\0\r\n]|[^\x00-\xff]", "", self._text())

    def _cookie(self) -> str:
        """Of any bytes: a cookie may write each as an octal number."""
        return re.sub(r"[^\x00-\xff]", "", self._text())

    def _sometimes(self, of: int) -> bool:
        return self.random.randrange(of) == 0


def is_list(address: Address) -> bool:
    return address.model is not None and address.text.count("/") == 3


@cache
def _filters(address: Address) -> list[str]:
    """The names by which this address may be narrowed, and a few that it may not."""
    of_model = admin.site._registry.get(address.model) if address.model else None
    if of_model is not None:
        columns = [field.name for field in address.model._meta.get_fields()]
        own = [getattr(one, "parameter_name", "") for one in of_model.list_filter]
        return [*columns, *filter(None, own)]
    paths: Any = described()["paths"]
    operation = paths.get(f"/{address.text.replace('<', '{').replace('>', '}')}", {}).get("get", {})
    return [one["name"] for one in operation.get("parameters", ()) if one.get("in") == "query"]


def _properties(operation: dict[str, Any]) -> list[str]:
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    components = described()["components"]["schemas"]
    return list(components.get(schema.get("$ref", "").rpartition("/")[2], {}).get("properties", ()))


def _replace(body: Any, value: Callable[[], Any], chance: random.Random) -> None:
    """Replaces one value, at any depth."""
    while isinstance(body, dict | list) and body:
        place = chance.choice(list(body) if isinstance(body, dict) else range(len(body)))
        if not isinstance(body[place], dict | list) or not body[place] or chance.randrange(3) == 0:
            body[place] = value()
            return
        body = body[place]
